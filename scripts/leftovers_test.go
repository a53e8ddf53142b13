package scripts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The same kubeconfig, as k3d and as the provider write it.
const (
	kubeconfigOfK3d = `apiVersion: v1
current-context: k3d-canary
kind: Config
users:
- name: admin@k3d-canary
  user:
    client-key-data: c2VjcmV0`
	kubeconfigOfProvider = `apiVersion: v1
kind: Config
preferences: {}
current-context: k3d-canary
users:
  - name: admin@k3d-canary
    user:
      client-key-data: c2VjcmV0
`
)

func TestLeftovers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		file, content string
		mode          os.FileMode
		gone          bool
	}{
		"a copy":                        {"kubeconfig4294967295", kubeconfigOfProvider, 0o600, true},
		"a copy, letter by letter":      {"kubeconfig0", kubeconfigOfK3d, 0o600, true},
		"another key":                   {"kubeconfig123", strings.Replace(kubeconfigOfProvider, "c2Vj", "b3Ro", 1), 0o600, false},
		"more than the kubeconfig":      {"kubeconfig123", kubeconfigOfProvider + "- name: b\n", 0o600, false},
		"half written":                  {"kubeconfig123", kubeconfigOfProvider[:50], 0o600, false},
		"empty":                         {"kubeconfig123", "", 0o600, false},
		"the name has no digits":        {"kubeconfig", kubeconfigOfProvider, 0o600, false},
		"the name has more than digits": {"kubeconfig123.yaml", kubeconfigOfProvider, 0o600, false},
		"not for this user alone":       {"kubeconfig123", kubeconfigOfProvider, 0o644, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t).without("docker").without("k3d")
			path := filepath.Join(m.env["TMPDIR"], tc.file)
			require.NoError(t, os.WriteFile(path, []byte(tc.content), tc.mode))
			m.removesLeftovers(kubeconfigOfK3d)
			if tc.gone {
				require.NoFileExists(t, path)
				return
			}
			require.FileExists(t, path)
			require.NoError(t, os.Remove(path))
		})
	}
}

func TestLeftoversLeave(t *testing.T) {
	t.Parallel()
	t.Run("links and what is in folders", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t)
		elsewhere := filepath.Join(m.root, "kubeconfig1")
		link, folder := filepath.Join(m.env["TMPDIR"], "kubeconfig1"), filepath.Join(m.env["TMPDIR"], "kubeconfig2")
		inFolder := filepath.Join(folder, "kubeconfig3")
		require.NoError(t, os.Symlink(elsewhere, link))
		require.NoError(t, os.Mkdir(folder, 0o700))
		for _, path := range []string{elsewhere, inFolder} {
			require.NoError(t, os.WriteFile(path, []byte(kubeconfigOfProvider), 0o600))
		}
		m.removesLeftovers(kubeconfigOfK3d)
		for _, path := range []string{elsewhere, inFolder, link} {
			require.FileExists(t, path)
		}
		require.NoError(t, os.Remove(link))
		require.NoError(t, os.RemoveAll(folder))
	})
	t.Run("another user's file", func(t *testing.T) {
		t.Parallel()
		if os.Getuid() != 0 {
			t.Skip("only root can give a file away")
		}
		m := newMachine(t)
		path := filepath.Join(m.env["TMPDIR"], "kubeconfig1")
		require.NoError(t, os.WriteFile(path, []byte(kubeconfigOfProvider), 0o600))
		require.NoError(t, os.Chown(path, 12345, -1))
		m.removesLeftovers(kubeconfigOfK3d)
		require.FileExists(t, path)
		require.NoError(t, os.Remove(path))
	})
	t.Run("an empty file, when there is no kubeconfig", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t)
		path := filepath.Join(m.env["TMPDIR"], "kubeconfig1")
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		m.removesLeftovers("")
		require.FileExists(t, path)
		require.NoError(t, os.Remove(path))
	})
}

// removesLeftovers runs the script with a kubeconfig on stdin; nothing is printed.
func (m *machine) removesLeftovers(kubeconfig string) {
	m.t.Helper()
	cmd, finish := m.command("cluster-leftovers.sh")
	cmd.Stdin = strings.NewReader(kubeconfig)
	require.NoError(m.t, cmd.Run())
	got := finish()
	require.Empty(m.t, got.stdout+got.stderr)
}
