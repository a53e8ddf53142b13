//go:build e2e

package harness

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

// Project is one stack in the run's copy of the checkout.
type Project struct {
	*Checkout
	Stack   string
	Cluster string
	Port    int
	base    []byte // the stack file of a shared stack, see RestoreAfter
}

// NewProject makes a stack for a k3d cluster of its own, without a registry and without a cache of images, with more
// settings as words key=value. Nothing is brought up.
func NewProject(t *testing.T, settings ...string) *Project {
	t.Helper()
	port := FreePort(t)
	p := NewStack(t, port, settings...)
	p.SetAll(t, append([]string{"clusterName=" + p.Cluster, fmt.Sprintf("httpPort=%d", port), "registryPort=0", "imageCache=off"}, settings...)...)
	return p
}

// NewStack makes a stack with no settings but those that this machine needs.
func NewStack(t *testing.T, port int, settings ...string) *Project {
	t.Helper()
	name := NewName()
	p := &Project{Checkout: TheOneCheckout(t), Stack: name, Cluster: "canary-" + name, Port: port}
	if b := StackFile(t); b != nil {
		require.NoError(t, os.WriteFile(p.ConfigFile(), b, 0o644))
	}
	Run(t, p.Dir, p.Env, "pulumi", "stack", "init", "--non-interactive", p.Stack)
	if len(settings) > 0 {
		p.SetAll(t, settings...)
	}
	return p
}

// ConfigFile is the stack's file.
func (p *Project) ConfigFile() string { return filepath.Join(p.Dir, "Pulumi."+p.Stack+".yaml") }

// Set sets one setting.
func (p *Project) Set(t *testing.T, key, value string) {
	t.Helper()
	p.SetAll(t, key+"="+value)
}

// SetAll sets settings, as words key=value.
func (p *Project) SetAll(t *testing.T, settings ...string) {
	t.Helper()
	args := []string{"config", "set-all"}
	for _, setting := range settings {
		args = append(args, "--plaintext", setting)
	}
	p.Pulumi(t, args...)
}

// Up brings the stack up and returns what is printed.
func (p *Project) Up(t *testing.T) string {
	t.Helper()
	start := time.Now()
	out := p.Pulumi(t, UpArgs...)
	t.Logf("%s: up took %.1f s", p.Stack, time.Since(start).Seconds())
	return out
}

// The arguments of `pulumi` that bring a stack up and destroy it, without questions.
var (
	UpArgs      = []string{"up", "--yes", "--skip-preview", "--non-interactive"}
	DestroyArgs = []string{"destroy", "--yes", "--skip-preview", "--non-interactive"}
)

// Destroy destroys the stack.
func (p *Project) Destroy(t *testing.T) {
	t.Helper()
	out := p.Pulumi(t, DestroyArgs...)
	t.Log(LastLines(out, 6))
}

// Pulumi runs the CLI on the stack and returns what it prints.
func (p *Project) Pulumi(t *testing.T, args ...string) string {
	t.Helper()
	return Run(t, p.Dir, p.Env, "pulumi", append(args, "--stack", p.Stack)...)
}

// Outcome is what a command came to.
type Outcome struct {
	Code int
	Took time.Duration
	All  string // what it printed, stdout before stderr
}

// Attempt runs the CLI on the stack, whatever comes of it.
func (p *Project) Attempt(t *testing.T, args ...string) Outcome {
	t.Helper()
	return p.AttemptCommand(t, "pulumi", append(args, "--stack", p.Stack)...)
}

// AttemptCommand runs a command in the project's folder, whatever comes of it.
func (p *Project) AttemptCommand(t *testing.T, name string, args ...string) Outcome {
	t.Helper()
	start := time.Now()
	out, stderr, err := Try(p.Dir, p.Env, name, args...)
	o := Outcome{Took: time.Since(start), All: out + stderr}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		o.Code = exit.ExitCode()
	} else {
		require.NoError(t, err)
	}
	return o
}

// Changes tells how many resources the last update touched, by kind of change.
func (p *Project) Changes(t *testing.T) map[string]int {
	t.Helper()
	var history []struct {
		ResourceChanges map[string]int `json:"resourceChanges"`
	}
	out := p.Pulumi(t, "stack", "history", "--json", "--page-size", "1")
	require.NoError(t, json.Unmarshal([]byte(out), &history))
	require.NotEmpty(t, history)
	delete(history[0].ResourceChanges, "same")
	return history[0].ResourceChanges
}

// Output is one of the stack's outputs, as JSON.
func (p *Project) Output(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(p.Pulumi(t, "stack", "output", name, "--show-secrets", "--json"))
}

// OutputText is one of the stack's outputs that is text.
func (p *Project) OutputText(t *testing.T, name string) string {
	t.Helper()
	var text string
	require.NoError(t, json.Unmarshal([]byte(p.Output(t, name)), &text))
	return text
}

// Kubeconfig is the stack's output.
func (p *Project) Kubeconfig(t *testing.T) string {
	t.Helper()
	return p.OutputText(t, "kubeconfig")
}

// Requests is what `canary requests --output json` reports.
type Requests struct {
	Counts   map[string]int `json:"counts"`
	Failures map[string]int `json:"failures"`
	raw      string
}

// Requests sends 1000 requests and fails the test unless the split is as configured and none failed.
func (p *Project) Requests(t *testing.T, from string) Requests {
	t.Helper()
	out := Run(t, p.Dir, p.Env, "canary", "requests", "--count", "1000", "--from", from, "--output", "json", "--stack", p.Stack)
	r := Requests{raw: out}
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	t.Logf("%s: %s", from, strings.Join(strings.Fields(out), " "))
	return r
}

// VerifySplit counts who answers by both paths; `canary requests` itself fails outside the bound.
func (p *Project) VerifySplit(t *testing.T, stable, canary int) {
	t.Helper()
	require.JSONEq(t, fmt.Sprintf(`{"stable":%d,"canary":%d}`, stable, canary), p.Output(t, "split"))
	for _, from := range []string{"ingress", "mesh"} {
		r := p.Requests(t, from)
		require.Empty(t, r.Failures)
		if canary == 0 || canary == 100 {
			require.Equal(t, 10*canary, r.Counts["canary"], r.raw)
		}
	}
}

// VerifyNoChanges fails the test when the stack or the cluster is not as the configuration says.
func (p *Project) VerifyNoChanges(t *testing.T) {
	t.Helper()
	p.Pulumi(t, "preview", "--expect-no-changes", "--non-interactive")
	p.Pulumi(t, "refresh", "--yes", "--skip-preview", "--expect-no-changes", "--non-interactive")
}

// Resources are the URNs in the stack's state.
func (p *Project) Resources(t *testing.T) []string {
	t.Helper()
	var state struct {
		Deployment struct {
			Resources []struct {
				URN string `json:"urn"`
			} `json:"resources"`
		} `json:"deployment"`
	}
	require.NoError(t, json.Unmarshal([]byte(p.Pulumi(t, "stack", "export")), &state))
	var urns []string
	for _, r := range state.Deployment.Resources {
		urns = append(urns, r.URN)
	}
	return urns
}
