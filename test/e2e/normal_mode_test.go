//go:build e2e

package e2e

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/test/e2e/harness"
)

// TestNormalMode types what a newcomer types who has Go and Docker alone and downloads through a mirror: from a first make up
// without a network to make down, after which the machine is as it was. Docker is the lab's engine, which has the images, and
// the charts are those of the lab.
func TestNormalMode(t *testing.T) {
	harness.Long(t)
	if os.Getenv("E2E_STACK_FILE") == "" {
		t.Skip("with MODE=normal every test runs in normal mode")
	}
	m := newMirror(t)
	n := newNewcomer(t, m)
	n.useLab(t)
	tools := m.addTools(t, filepath.Join(n.Dir, "internal", "pins", "pins.env"))
	before := n.machine(t)
	const (
		up   = "MODE=normal make up"
		down = "make down STATE=remove"
	)

	require.Contains(t, n.fails(t, up), "error: cannot download "+m.url()+tools[0]+": check the network, then run the same command again\n")
	n.types(t, down)
	require.ElementsMatch(t, before, n.machine(t))

	m.open(t)
	require.Regexp(t, regexp.QuoteMeta(m.url())+`/pulumi-resource-\w+-v[0-9.]+-linux-amd64\.tar\.gz`, n.fails(t, up))
	m.addPlugins(t)
	m.takeAsked()
	n.types(t, down)
	require.ElementsMatch(t, before, n.machine(t), "also with a stack that has begun")

	out := n.types(t, up)
	require.ElementsMatch(t, slices.AppendSeq(tools, maps.Keys(labPlugins(t))), m.takeAsked())
	require.Contains(t, out, "100 requests from ingress to "+n.url())
	require.Contains(t, out, "Serving at "+n.url()+`, split {"canary":0,"stable":100}`)

	out = n.types(t, up)
	require.Empty(t, m.takeAsked(), "what is there is not downloaded again")
	require.Regexp(t, `Resources:\n    \d+ unchanged\n`, out)

	out = n.types(t, `eval "$(make -s env)"
pulumi config set canaryWeight 50
pulumi up --yes --skip-preview
canary requests --count 1000
canary requests --count 1000 --from mesh`)
	require.Contains(t, out, "~ 1 updated")
	require.Equal(t, 2, strings.Count(out, "within the bound"))

	n.types(t, down)
	require.ElementsMatch(t, before, n.machine(t))
}

// newcomer is somebody with a fresh clone, an empty home and nothing of the lab but its Docker engine.
type newcomer struct {
	*harness.Project
}

func newNewcomer(t *testing.T, m *mirror) newcomer {
	t.Helper()
	c := &harness.Checkout{Root: t.TempDir()}
	c.Dir = filepath.Join(c.Root, "canary")
	c.CopyFiles(t)
	home := filepath.Join(c.Root, "home")
	// Go's own notes about its use would lie there.
	telemetry := filepath.Join(home, ".config", "go", "telemetry")
	require.NoError(t, os.MkdirAll(telemetry, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(telemetry, "mode"), []byte("off"), 0o600))
	require.NoError(t, os.Mkdir(c.Tmp(), 0o700))

	ofLab := strings.Fields(os.Getenv("CANARY_ENV"))
	require.Contains(t, ofLab, "GOFLAGS")
	ofMake := []string{"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MODE"}
	c.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		for _, prefix := range []string{"CANARY_", "PULUMI_", "E2E_", "XDG_"} {
			if strings.HasPrefix(name, prefix) {
				return true
			}
		}
		return slices.Contains(ofLab, name) || slices.Contains(ofMake, name) || name == "KUBECONFIG"
	})
	for _, name := range []string{"GOENV", "GOCACHE", "GOMODCACHE"} { // by default in the home
		c.Env = append(c.Env, name+"="+strings.TrimSpace(harness.Run(t, c.Dir, nil, "go", "env", name)))
	}
	tools := labTools(t)
	path := slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(folder string) bool { return folder == tools })
	c.Env = append(c.Env, "HOME="+home, "TMPDIR="+c.Tmp(), "PATH="+strings.Join(path, string(filepath.ListSeparator)),
		"DOCKER_HOST="+os.Getenv("DOCKER_HOST"), "PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES=^github://api.github.com/pulumi/="+m.url())

	n := newcomer{&harness.Project{Checkout: c, Stack: "dev", Cluster: "canary-" + harness.NewName(), Port: harness.FreePort(t)}}
	t.Cleanup(func() {
		if o := n.AttemptCommand(t, "make", "down", "STATE=remove"); o.Code != 0 {
			t.Error(o.All)
		}
	})
	return n
}

// useLab writes the stack's file of somebody behind a mirror of charts, with a cluster and ports of its own.
func (n newcomer) useLab(t *testing.T) {
	t.Helper()
	_, differences, found := strings.Cut(string(harness.StackFile(t)), "\nconfig:\n")
	require.True(t, found)
	text, err := os.ReadFile(n.ConfigFile())
	require.NoError(t, err)
	own := strings.NewReplacer(`httpPort: "80"`, fmt.Sprintf("httpPort: %q", fmt.Sprint(n.Port)), "clusterName: canary", "clusterName: "+n.Cluster).Replace(string(text))
	own += fmt.Sprintf("  registryPort: %q\n", fmt.Sprint(harness.FreePort(t)))
	require.NoError(t, os.WriteFile(n.ConfigFile(), []byte(own+differences), 0o600))
}

func (n newcomer) url() string {
	return fmt.Sprintf("http://app-example.app-example.localhost:%d", n.Port)
}

// types is what a command line prints that has to succeed.
func (n newcomer) types(t *testing.T, line string) string {
	t.Helper()
	o := n.attempt(t, line)
	require.Zero(t, o.Code)
	return o.All
}

// fails is what a command line prints that has to fail.
func (n newcomer) fails(t *testing.T, line string) string {
	t.Helper()
	o := n.attempt(t, line)
	require.NotZero(t, o.Code)
	return o.All
}

func (n newcomer) attempt(t *testing.T, line string) harness.Outcome {
	t.Helper()
	o := n.AttemptCommand(t, "bash", "-e", "-o", "pipefail", "-c", line)
	t.Logf("$ %s\n%s(exit code %d after %.1f s)", line, o.All, o.Code, o.Took.Seconds())
	return o
}

// machine lists what a command can leave: files, but for the stack's own, which is the user's; processes; and what the Docker
// engine has.
func (n newcomer) machine(t *testing.T) []string {
	t.Helper()
	var found []string
	require.NoError(t, filepath.WalkDir(n.Root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == n.ConfigFile() {
			return err
		}
		if entry.IsDir() {
			found = append(found, "folder "+path)
			return nil
		}
		content, err := os.ReadFile(path)
		found = append(found, fmt.Sprintf("file %s %x", path, sha256.Sum256(content)))
		return err
	}))
	for _, kind := range []string{"container", "volume", "network", "image"} {
		args := []string{kind, "ls", "--quiet"}
		if kind == "container" {
			args = append(args, "--all")
		}
		for id := range strings.FieldsSeq(n.Docker(t, args...)) {
			found = append(found, kind+" "+id)
		}
	}
	for process := range strings.Lines(harness.Run(t, n.Dir, nil, "ps", "-A", "-ww", "-o", "args=")) {
		if strings.Contains(process, n.Root) {
			found = append(found, "process "+process)
		}
	}
	return found
}

// mirror is a file server on loopback, which does not answer until it is opened.
type mirror struct {
	address string
	folder  string

	mu    sync.Mutex
	asked []string
}

func newMirror(t *testing.T) *mirror {
	t.Helper()
	return &mirror{address: fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t)), folder: t.TempDir()}
}

func (m *mirror) url() string { return "http://" + m.address }

func (m *mirror) open(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", m.address)
	require.NoError(t, err)
	files := http.FileServer(http.Dir(m.folder))
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		m.asked = append(m.asked, r.URL.Path)
		m.mu.Unlock()
		files.ServeHTTP(w, r)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { require.NoError(t, server.Close()) })
}

// takeAsked gives the paths that were asked for since it was called last.
func (m *mirror) takeAsked() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	asked := m.asked
	m.asked = nil
	return asked
}

// addTools adds the lab's tools as they are released, lets a file of pins name them, and gives their paths.
func (m *mirror) addTools(t *testing.T, pins string) (paths []string) {
	t.Helper()
	text, err := os.ReadFile(pins)
	require.NoError(t, err)
	for _, tool := range []string{"K3D", "PULUMI"} {
		released := regexp.MustCompile(tool + `_URL_LINUX_AMD64=https://github\.com(/.*)`).FindSubmatch(text)
		require.NotNil(t, released)
		path := string(released[1])
		paths = append(paths, path)
		file := filepath.Join(m.folder, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		if tool == "K3D" {
			require.NoError(t, os.Symlink(filepath.Join(labTools(t), "k3d"), file))
		} else {
			pack(t, file, labTools(t), "--transform=s,^,pulumi/,", "pulumi", "pulumi-language-go")
		}
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		text = regexp.MustCompile(`(`+tool+`_URL_LINUX_AMD64)=.*`).ReplaceAll(text, []byte("$1="+m.url()+path))
		text = regexp.MustCompile(`(`+tool+`_SHA256_LINUX_AMD64)=.*`).ReplaceAll(text, fmt.Appendf(nil, "$1=%x", sha256.Sum256(content)))
	}
	require.NoError(t, os.WriteFile(pins, text, 0o600))
	return paths
}

// addPlugins adds the lab's plugins as they are released.
func (m *mirror) addPlugins(t *testing.T) {
	t.Helper()
	for path, program := range labPlugins(t) {
		pack(t, filepath.Join(m.folder, path), filepath.Dir(program), filepath.Base(program))
	}
}

// pack packs files of a folder, as tar's other arguments say.
func pack(t *testing.T, file, folder string, args ...string) {
	t.Helper()
	harness.Run(t, folder, nil, "tar", append([]string{"--create", "--use-compress-program=gzip -1", "--file=" + file}, args...)...)
}

// labTools is the folder of the tools that the lab built.
func labTools(t *testing.T) string {
	t.Helper()
	k3d, err := exec.LookPath("k3d")
	require.NoError(t, err)
	return filepath.Dir(k3d)
}

// labPlugins are the programs of the plugins that the lab installed, by the paths of their archives in a mirror.
func labPlugins(t *testing.T) map[string]string {
	t.Helper()
	programs, err := filepath.Glob(filepath.Join(os.Getenv("PULUMI_HOME"), "plugins", "resource-*-v*", "pulumi-resource-*"))
	require.NoError(t, err)
	require.Len(t, programs, 2)
	byPath := map[string]string{}
	for _, program := range programs {
		byPath["/pulumi-"+filepath.Base(filepath.Dir(program))+"-linux-amd64.tar.gz"] = program
	}
	return byPath
}
