// Package scripts tests the scripts of this folder against a fake docker and a fake k3d.
package scripts

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain makes this binary the fake tools, too: a link with such a name, and FAKE_WORLD set, are what a script finds.
func TestMain(m *testing.M) {
	folder := os.Getenv("FAKE_WORLD")
	fake := map[string]func(string, []string) error{"docker": fakeDocker, "k3d": fakeK3d}[filepath.Base(os.Args[0])]
	if folder == "" || fake == nil {
		os.Exit(m.Run())
	}
	calls, err := os.OpenFile(filepath.Join(folder, "calls"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintf(calls, "%s %q\n", filepath.Base(os.Args[0]), os.Args[1:])
	}
	if err == nil {
		err = fake(folder, os.Args[1:])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "time=\"2026-01-02T03:04:05Z\" level=error msg=%q\n", err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

// neededTools are the only programs besides docker and k3d that the scripts may use.
var neededTools = []string{
	"awk", "cat", "chmod", "df", "dirname", "env", "find", "grep", "head", "id", "mkdir", "mkfifo", "mktemp", "mv", "od", "ps",
	"rm", "sed", "sleep", "sort", "tr", "uname", "xargs",
}

// machine is a computer with a project folder, a Docker engine and tools, all of them made up.
type machine struct {
	t       *testing.T
	shell   string
	root    string
	project string
	bin     string
	env     map[string]string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t, shell: "sh", root: t.TempDir()}
	// Every test has a folder whose name is dangerous to a script that forgets a quote.
	m.project = filepath.Join(m.root, `my "project" $(touch pwned); 'x'`)
	m.bin = filepath.Join(m.root, "bin")
	temp := filepath.Join(m.root, "temp folder")
	home := filepath.Join(m.root, "home")
	for _, folder := range []string{m.project, m.bin, temp, filepath.Join(home, ".kube"), filepath.Join(m.root, "world")} {
		require.NoError(t, os.MkdirAll(folder, 0o755))
	}
	copyScripts(t, filepath.Join(m.project, "scripts"))
	self, err := os.Executable()
	require.NoError(t, err)
	for _, tool := range []string{"docker", "k3d"} {
		require.NoError(t, os.Symlink(self, filepath.Join(m.bin, tool)))
	}
	for _, tool := range neededTools {
		path, err := exec.LookPath(tool)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(m.bin, tool)))
	}
	require.NoError(t, os.WriteFile(filepath.Join(home, ".kube", "config"), []byte("the user's own"), 0o600))
	m.env = map[string]string{
		"PATH":                  m.bin,
		"HOME":                  home,
		"TMPDIR":                temp,
		"FAKE_WORLD":            filepath.Join(m.root, "world"),
		"CLUSTER_NAME":          "canary",
		"CLUSTER_ID":            "0123456789abcdef",
		"CLUSTER_CONFIG":        configOf(2),
		"CLUSTER_SETTINGS":      "httpPort=80 httpsPort=0 k3sImage=rancher/k3s:v1 metricsServer=false registryPort=0",
		"CLUSTER_PORTS":         "httpPort=" + freePort(t),
		"CLUSTER_READY_SECONDS": "0",
		"K3D_CONFIG":            "the environment of the user",
		"K3D_AGENTS":            "7",
	}
	t.Cleanup(func() {
		require.NoFileExists(t, filepath.Join(m.project, "pwned"))
		config, err := os.ReadFile(filepath.Join(home, ".kube", "config"))
		require.NoError(t, err)
		require.Equal(t, "the user's own", string(config))
		left, err := os.ReadDir(temp)
		require.NoError(t, err)
		require.Empty(t, left, "nothing is left in the folder for temporary files")
	})
	return m
}

// copyScripts reads the scripts in this process: Go would take a result from its cache if only a child opened them.
func copyScripts(t *testing.T, folder string) {
	t.Helper()
	scripts, err := filepath.Glob("cluster-*.sh")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "lib"), 0o755))
	for _, script := range append(scripts, "lib/cluster.sh", "lib/image-cache.sh", "lib/room.sh") {
		text, err := os.ReadFile(script)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, script), text, 0o600))
	}
}

func configOf(agents int) string {
	return fmt.Sprintf(`agents: %d
options:
  runtime:
    labels:
    - label: canary.cluster-nodes=%d
    - label: canary.cluster-settings=httpPort=80 k3sImage=rancher/k3s:v1
    - label: canary.cluster-stack=dev
`, agents, agents+2)
}

// with sets environment variables, as NAME=value; an empty value unsets.
func (m *machine) with(settings ...string) *machine {
	for _, one := range settings {
		name, value, _ := strings.Cut(one, "=")
		if value == "" {
			delete(m.env, name)
		} else {
			m.env[name] = value
		}
	}
	return m
}

func (m *machine) without(tool string) *machine {
	require.NoError(m.t, os.Remove(filepath.Join(m.bin, tool)))
	return m
}

// result is what a script printed, and its exit code.
type result struct {
	stdout, stderr string
	code           int
}

// command gives a script's process with its output in files: a child that outlives it would keep a pipe open.
func (m *machine) command(script string) (*exec.Cmd, func() result) {
	m.t.Helper()
	shell, err := exec.LookPath(m.shell)
	require.NoError(m.t, err)
	cmd := exec.Command(shell, "scripts/"+script)
	cmd.Dir = m.project
	for name, value := range m.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var files [2]*os.File
	for i := range files {
		files[i], err = os.CreateTemp(m.root, "output")
		require.NoError(m.t, err)
	}
	cmd.Stdout, cmd.Stderr = files[0], files[1]
	return cmd, func() result {
		var texts [2][]byte
		for i, file := range files {
			texts[i], err = os.ReadFile(file.Name())
			require.NoError(m.t, err)
			file.Close()
		}
		return result{string(bytes.TrimSuffix(texts[0], []byte("\n"))), string(texts[1]), cmd.ProcessState.ExitCode()}
	}
}

func (m *machine) run(script string) result {
	m.t.Helper()
	cmd, finish := m.command(script)
	if err := cmd.Run(); err != nil {
		var exited *exec.ExitError
		require.ErrorAs(m.t, err, &exited)
	}
	return finish()
}

// succeeds runs a script that has to succeed.
func (m *machine) succeeds(script string) result {
	m.t.Helper()
	got := m.run(script)
	require.Zero(m.t, got.code, "%s: %s", script, got.stderr)
	return got
}

// refuses runs a script that has to fail with a message that holds the given parts, and with nothing on stdout.
func (m *machine) refuses(script string, parts ...string) result {
	m.t.Helper()
	got := m.run(script)
	require.NotZero(m.t, got.code, "%s succeeded: %s", script, got.stderr)
	require.Empty(m.t, got.stdout)
	for _, part := range parts {
		require.Contains(m.t, got.stderr, part)
	}
	return got
}

// change changes what the fake engine has.
func (m *machine) change(with func(*world)) {
	m.t.Helper()
	require.NoError(m.t, change(m.env["FAKE_WORLD"], func(w *world) error { with(w); return nil }))
}

func (m *machine) everything() []string {
	m.t.Helper()
	var all []string
	m.change(func(w *world) { all = w.everything() })
	return all
}

// calls gives the command lines that a fake tool got, and forgets them.
func (m *machine) calls(tool string) []string {
	m.t.Helper()
	file := filepath.Join(m.env["FAKE_WORLD"], "calls")
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(m.t, err)
	require.NoError(m.t, os.Remove(file))
	return slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool {
		return !strings.HasPrefix(line, tool+" ")
	})
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port
}
