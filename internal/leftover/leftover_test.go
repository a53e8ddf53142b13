package leftover

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	ours = `apiVersion: v1
clusters:
- cluster:
    server: https://127.0.0.1:1234
  name: k3d-canary
contexts:
- context:
    cluster: k3d-canary
    user: admin
  name: k3d-canary
current-context: k3d-canary
kind: Config
preferences: {}
users:
- name: admin
  user:
    token: secret
`
	sameInJSON = `{"kind": "Config", "apiVersion": "v1", "current-context": "k3d-canary",
"clusters": [{"name": "k3d-canary", "cluster": {"server": "https://127.0.0.1:1234"}}],
"contexts": [{"name": "k3d-canary", "context": {"user": "admin", "cluster": "k3d-canary"}}],
"users": [{"name": "admin", "user": {"token": "secret"}}]}`
)

func TestRemove(t *testing.T) {
	t.Parallel()
	otherKey := strings.Replace(ours, "secret", "other", 1)
	for name, tc := range map[string]struct {
		file, content string
		mode          os.FileMode
		gone          bool
	}{
		"a copy":                        {"kubeconfig123", ours, 0o600, true},
		"a copy, without empty parts":   {"kubeconfig4294967295", strings.Replace(ours, "preferences: {}\n", "", 1), 0o600, true},
		"a copy, written another way":   {"kubeconfig0", sameInJSON, 0o600, true},
		"another key":                   {"kubeconfig123", otherKey, 0o600, false},
		"another server":                {"kubeconfig123", strings.Replace(ours, "1234", "1235", 1), 0o600, false},
		"more than the kubeconfig":      {"kubeconfig123", strings.Replace(ours, "users:\n", "users:\n- name: b\n  user: {token: b}\n", 1), 0o600, false},
		"half written":                  {"kubeconfig123", ours[:len(ours)/2], 0o600, false},
		"empty":                         {"kubeconfig123", "", 0o600, false},
		"something else":                {"kubeconfig123", "notes: [", 0o600, false},
		"the name has no digits":        {"kubeconfig", ours, 0o600, false},
		"the name has more than digits": {"kubeconfig123.yaml", ours, 0o600, false},
		"the name has something before": {"my-kubeconfig123", ours, 0o600, false},
		"not for this user alone":       {"kubeconfig123", ours, 0o644, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), tc.file)
			require.NoError(t, os.WriteFile(path, []byte(tc.content), tc.mode))
			require.NoError(t, Remove(filepath.Dir(path), ours))
			if tc.gone {
				require.NoFileExists(t, path)
			} else {
				require.FileExists(t, path)
			}
		})
	}
}

func TestRemoveFollowsNoLinkAndNoFolder(t *testing.T) {
	t.Parallel()
	folder, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "kubeconfig1")
	require.NoError(t, os.WriteFile(elsewhere, []byte(ours), 0o600))
	link, below := filepath.Join(folder, "kubeconfig1"), filepath.Join(folder, "kubeconfig2")
	require.NoError(t, os.Symlink(elsewhere, link))
	require.NoError(t, os.Mkdir(below, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(below, "kubeconfig3"), []byte(ours), 0o600))

	require.NoError(t, Remove(folder, ours))
	require.FileExists(t, elsewhere)
	require.FileExists(t, link)
	require.FileExists(t, filepath.Join(below, "kubeconfig3"))
}

func TestRemoveOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can give a file away")
	}
	path := filepath.Join(t.TempDir(), "kubeconfig123")
	require.NoError(t, os.WriteFile(path, []byte(ours), 0o600))
	require.NoError(t, os.Chown(path, 12345, -1))
	require.NoError(t, Remove(filepath.Dir(path), ours))
	require.FileExists(t, path)
}

func TestRemoveEveryCopy(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, file := range []string{"kubeconfig1", "kubeconfig2", "kubeconfig3"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, file), []byte(ours), 0o600))
	}
	require.NoError(t, Remove(folder, "not a kubeconfig: ["))
	require.Len(t, files(t, folder), 3)
	require.NoError(t, Remove(folder, ours))
	require.Empty(t, files(t, folder))
	require.ErrorContains(t, Remove(filepath.Join(folder, "none"), ours), "look for copies of the kubeconfig")
}

func files(t *testing.T, folder string) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	return entries
}
