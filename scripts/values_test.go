package scripts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHostileValues(t *testing.T) {
	t.Parallel()
	scripts := []string{
		"cluster-identity.sh", "cluster-create.sh", "cluster-kubeconfig.sh", "cluster-import-images.sh", "cluster-state.sh",
		"cluster-delete.sh",
	}
	names := []string{
		"", "two words", "$(touch pwned)", "`touch pwned`", "a;touch pwned", "a'b", `a"b`, "-rf", "../canary", "a/b", "a|b",
		"Canary", "a\nb", "*",
	}
	for _, script := range scripts {
		m := newMachine(t)
		for _, name := range names {
			m.env["CLUSTER_NAME"] = name
			m.refuses(script, "CLUSTER_NAME is '"+name+"'")
			require.Empty(t, m.calls("docker"), "%s with %q", script, name)
		}
	}
	for _, id := range []string{"$(touch pwned)", "a b", "zz", "a;touch pwned"} {
		for _, script := range []string{"cluster-create.sh", "cluster-state.sh", "cluster-delete.sh"} {
			newMachine(t).with("CLUSTER_ID="+id).refuses(script, "CLUSTER_ID is '"+id+"'")
		}
	}
	m := newMachine(t)
	m.with("CLUSTER_CONFIG=" + configOf(2) + "# $(touch pwned) `touch pwned` \"'\\n\n").succeeds("cluster-create.sh")
}

func TestKubeconfig(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	require.NoError(t, os.Mkdir(filepath.Join(m.project, ".canary"), 0o755))
	m.with("CLUSTER_SERVER=" + m.succeeds("cluster-create.sh").stdout)
	m.calls("k3d")
	got := m.succeeds("cluster-kubeconfig.sh")
	require.NotContains(t, got.stderr, token)
	require.False(t, strings.HasPrefix(got.stdout, "---"))
	for _, tool := range []string{"docker", "k3d"} {
		require.NotContains(t, strings.Join(m.calls(tool), "\n"), token)
	}

	file := filepath.Join(m.project, ".canary", "kubeconfig-canary.yaml")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, got.stdout+"\n", string(text))
	require.Equal(t, os.FileMode(0o600), modeOf(t, file))
	require.Equal(t, os.FileMode(0o700), modeOf(t, filepath.Dir(file)))
	left, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, left, 1)

	failed := m.with("FAKE_KUBECONFIG=fail").refuses("cluster-kubeconfig.sh", "k3d says: runtime failed to pull kubeconfig")
	require.NotContains(t, failed.stderr, token, "the message of a failed command is shown to everyone")
}

// Both go by the cluster's name, which another stack's cluster on another engine can have, too.
func TestAnotherClusterOfThatNameIsLeftAlone(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"cluster-kubeconfig.sh", "cluster-import-images.sh"} {
		for name, arrange := range map[string]func(*machine){
			"docker here has 000000000000 under that name": func(m *machine) { addCluster(m, "canary", otherID, "running") },
			"docker here has none under that name":         func(*machine) {},
		} {
			m := newMachine(t).with("CLUSTER_SERVER="+strings.Repeat("f", 64), "IMAGES=app:1")
			m.change(func(w *world) { w.Images = []string{"app:1"} })
			arrange(m)
			m.refuses(script, "its server is the container ffffffffffff, and "+name, "DOCKER_HOST", "make up")
			require.Empty(t, m.calls("k3d"))
			require.NoFileExists(t, filepath.Join(m.project, ".canary", "kubeconfig-canary.yaml"))
		}
	}
}

func modeOf(t *testing.T, path string) os.FileMode {
	t.Helper()
	status, err := os.Stat(path)
	require.NoError(t, err)
	return status.Mode().Perm()
}

// ownImages gives a machine with the stack's cluster, and the settings of an import.
func ownImages(t *testing.T, settings ...string) *machine {
	t.Helper()
	m := newMachine(t).with(settings...)
	addCluster(m, "canary", ourID, "running")
	m.change(func(w *world) { m.with("CLUSTER_SERVER=" + w.find("k3d-canary-server-0").ContainerID) })
	return m
}

func TestImportImages(t *testing.T) {
	t.Parallel()
	t.Run("all there", func(t *testing.T) {
		t.Parallel()
		m := ownImages(t, "IMAGES=app:1\n\nregistry:5000/a b'$(touch pwned)\";x:2\n")
		m.change(func(w *world) { w.Images = []string{"app:1", `registry:5000/a b'$(touch pwned)";x:2`} })
		m.succeeds("cluster-import-images.sh")
		require.Equal(t, []string{
			`k3d ["image" "import" "--mode" "direct" "--cluster" "canary" "--" "app:1" "registry:5000/a b'$(touch pwned)\";x:2"]`,
		}, m.calls("k3d"))
	})
	t.Run("some missing", func(t *testing.T) {
		t.Parallel()
		m := ownImages(t, "IMAGES=app:1\napp:2\napp:3")
		m.change(func(w *world) { w.Images = []string{"app:2"} })
		m.refuses("cluster-import-images.sh", "does not have: app:1 app:3.", "docker pull")
		require.Empty(t, m.calls("k3d"))
	})
	t.Run("not a tag", func(t *testing.T) {
		t.Parallel()
		for _, image := range []string{"-", "--mode", "app@sha256:00", "sha256:00"} {
			ownImages(t, "IMAGES="+image).refuses("cluster-import-images.sh", "'"+image+"' is not a tag")
		}
	})
	t.Run("k3d fails", func(t *testing.T) {
		t.Parallel()
		m := ownImages(t, "IMAGES=app:1", "FAKE_IMPORT=fail")
		m.change(func(w *world) { w.Images = []string{"app:1"} })
		m.refuses("cluster-import-images.sh", "k3d says: failed to import images in node")
	})
	t.Run("k3d's stream breaks off", func(t *testing.T) {
		t.Parallel()
		m := ownImages(t, "IMAGES=app:1", "FAKE_IMPORT=break once")
		m.change(func(w *world) { w.Images = []string{"app:1"} })
		m.succeeds("cluster-import-images.sh")
		require.Len(t, m.calls("k3d"), 2)

		m = ownImages(t, "IMAGES=app:1", "FAKE_IMPORT=break")
		m.change(func(w *world) { w.Images = []string{"app:1"} })
		m.refuses("cluster-import-images.sh", "k3d says: Failed to copy read stream. write unix @->docker.sock: use of closed network connection")
		require.Len(t, m.calls("k3d"), 3)
	})
}
