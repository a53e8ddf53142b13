//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// project is a copy of the checkout with a stack of its own.
type project struct {
	dir     string
	stack   string
	cluster string
	port    int
	env     []string
}

// newProject copies the files of the checkout and makes the stack's configuration, not yet the stack.
func newProject(t *testing.T) *project {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	p := &project{dir: t.TempDir(), stack: fmt.Sprintf("e2e-%d", os.Getpid()), port: freePort(t)}
	p.cluster = "canary-" + p.stack

	files := run(t, root, nil, "git", "ls-files", "--cached", "--others", "--exclude-standard")
	for _, name := range strings.Fields(files) {
		b, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // removed in the work tree, not yet in the index
		}
		require.NoError(t, err)
		to := filepath.Join(p.dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
		info, err := os.Stat(filepath.Join(root, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to, b, info.Mode()))
	}
	if file := os.Getenv("E2E_STACK_FILE"); file != "" {
		b, err := os.ReadFile(filepath.Join(root, file))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(p.dir, "Pulumi."+p.stack+".yaml"), b, 0o644))
	}

	state := filepath.Join(p.dir, "state")
	require.NoError(t, os.MkdirAll(state, 0o755))
	p.env = append(os.Environ(),
		"PULUMI_BACKEND_URL=file://"+state, "PULUMI_CONFIG_PASSPHRASE=e2e", "PULUMI_SKIP_UPDATE_CHECK=true",
		// A kubeconfig of the user's that must not change.
		"KUBECONFIG="+p.userKubeconfig(t))
	p.pulumi(t, "stack", "init", "--non-interactive", p.stack)
	p.set(t, "clusterName", p.cluster)
	p.set(t, "httpPort", fmt.Sprint(p.port))
	return p
}

const userKubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: mine\n"

func (p *project) userKubeconfig(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(file, []byte(userKubeconfig), 0o600))
	return file
}

func (p *project) set(t *testing.T, key, value string) {
	t.Helper()
	p.pulumi(t, "config", "set", key, value)
}

func (p *project) up(t *testing.T) string {
	t.Helper()
	return p.pulumi(t, "up", "--yes", "--skip-preview", "--non-interactive")
}

// pulumi runs the CLI on the stack and returns what it prints.
func (p *project) pulumi(t *testing.T, args ...string) string {
	t.Helper()
	if args[0] != "stack" || args[1] != "init" {
		args = append(args, "--stack", p.stack)
	}
	return run(t, p.dir, p.env, "pulumi", args...)
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

// run runs a command and returns its standard output; when it fails, so does the test, with all that it printed.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	out, stderr, err := try(dir, env, name, args...)
	require.NoErrorf(t, err, "%s %s\n%s\n%s", name, strings.Join(args, " "), out, stderr)
	return out
}

func try(dir string, env []string, name string, args ...string) (stdout, stderr string, err error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, env
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
