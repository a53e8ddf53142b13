//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// project is one stack in the run's copy of the checkout.
type project struct {
	*checkout
	stack   string
	cluster string
	port    int
	base    []byte // the stack file of a shared stack, see restoreAfter
}

// newProject makes a stack for a k3d cluster of its own, with more settings as words key=value. Nothing is brought up.
func newProject(t *testing.T, settings ...string) *project {
	t.Helper()
	port := freePort(t)
	p := newStack(t, port, settings...)
	p.setAll(t, append([]string{"clusterName=" + p.cluster, fmt.Sprintf("httpPort=%d", port)}, settings...)...)
	return p
}

// newStack makes a stack with no settings but those that this machine needs.
func newStack(t *testing.T, port int, settings ...string) *project {
	t.Helper()
	name := newNames()
	p := &project{checkout: theOneCheckout(t), stack: name, cluster: "canary-" + name, port: port}
	if b := stackFile(t); b != nil {
		require.NoError(t, os.WriteFile(p.configFile(), b, 0o644))
	}
	run(t, p.dir, p.env, "pulumi", "stack", "init", "--non-interactive", p.stack)
	if len(settings) > 0 {
		p.setAll(t, settings...)
	}
	return p
}

func (p *project) configFile() string { return filepath.Join(p.dir, "Pulumi."+p.stack+".yaml") }

func (p *project) set(t *testing.T, key, value string) {
	t.Helper()
	p.setAll(t, key+"="+value)
}

// setAll sets settings, as words key=value.
func (p *project) setAll(t *testing.T, settings ...string) {
	t.Helper()
	args := []string{"config", "set-all"}
	for _, setting := range settings {
		args = append(args, "--plaintext", setting)
	}
	p.pulumi(t, args...)
}

// up brings the stack up and returns what is printed.
func (p *project) up(t *testing.T) string {
	t.Helper()
	start := time.Now()
	out := p.pulumi(t, upArgs...)
	t.Logf("%s: up took %.1f s", p.stack, time.Since(start).Seconds())
	return out
}

var (
	upArgs      = []string{"up", "--yes", "--skip-preview", "--non-interactive"}
	destroyArgs = []string{"destroy", "--yes", "--skip-preview", "--non-interactive"}
)

func (p *project) destroy(t *testing.T) {
	t.Helper()
	out := p.pulumi(t, destroyArgs...)
	t.Log(lastLines(out, 6))
}

// pulumi runs the CLI on the stack and returns what it prints.
func (p *project) pulumi(t *testing.T, args ...string) string {
	t.Helper()
	return run(t, p.dir, p.env, "pulumi", append(args, "--stack", p.stack)...)
}

// outcome is what a command came to.
type outcome struct {
	code int
	took time.Duration
	all  string // what it printed, stdout before stderr
}

// attempt runs the CLI on the stack, whatever comes of it.
func (p *project) attempt(t *testing.T, args ...string) outcome {
	t.Helper()
	return p.attemptCommand(t, "pulumi", append(args, "--stack", p.stack)...)
}

func (p *project) attemptCommand(t *testing.T, name string, args ...string) outcome {
	t.Helper()
	start := time.Now()
	out, stderr, err := try(p.dir, p.env, name, args...)
	o := outcome{took: time.Since(start), all: out + stderr}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		o.code = exit.ExitCode()
	} else {
		require.NoError(t, err)
	}
	return o
}

// changes tells how many resources the last update touched, by kind of change.
func (p *project) changes(t *testing.T) map[string]int {
	t.Helper()
	var history []struct {
		ResourceChanges map[string]int `json:"resourceChanges"`
	}
	out := p.pulumi(t, "stack", "history", "--json", "--page-size", "1")
	require.NoError(t, json.Unmarshal([]byte(out), &history))
	require.NotEmpty(t, history)
	delete(history[0].ResourceChanges, "same")
	return history[0].ResourceChanges
}

func (p *project) output(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(p.pulumi(t, "stack", "output", name, "--show-secrets", "--json"))
}

// kubeconfig is the stack's output.
func (p *project) kubeconfig(t *testing.T) string {
	t.Helper()
	var text string
	require.NoError(t, json.Unmarshal([]byte(p.output(t, "kubeconfig")), &text))
	return text
}

// requests is what `canary requests --output json` reports.
type requests struct {
	Counts   map[string]int `json:"counts"`
	Failures map[string]int `json:"failures"`
	raw      string
}

// requests sends 1000 requests and fails the test unless the split is as configured and none failed.
func (p *project) requests(t *testing.T, from string) requests {
	t.Helper()
	out := run(t, p.dir, p.env, "canary", "requests", "--count", "1000", "--from", from, "--output", "json", "--stack", p.stack)
	r := requests{raw: out}
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	t.Logf("%s: %s", from, strings.Join(strings.Fields(out), " "))
	return r
}
