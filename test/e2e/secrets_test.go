//go:build e2e

package e2e

import (
	"encoding/base64"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
)

// secrets are texts that must not be seen, by what they are.
type secrets map[string]string

// TestSecretsStayHidden looks for the cluster's credentials and the passphrase where others could read them. Each check
// is then shown to find what it looks for.
func TestSecretsStayHidden(t *testing.T) {
	p := shared(t)
	hidden := secretsIn(t, p.kubeconfig(t))
	hidden["passphrase"] = p.passphrase(t)

	t.Run("log", func(t *testing.T) {
		for name, log := range map[string]string{
			"first up": bringUp.log,
			"up":       p.up(t),
			"preview":  p.pulumi(t, "preview", "--diff", "--show-sames", "--show-config", "--non-interactive"),
			"outputs":  p.pulumi(t, "stack", "output", "--json"),
			"state":    p.pulumi(t, "stack", "export"),
		} {
			require.NotEmpty(t, log)
			require.Empty(t, hidden.in(log), name)
		}
		require.NotEmpty(t, hidden.in(p.pulumi(t, "stack", "output", "--json", "--show-secrets")), "the check finds nothing")
	})

	t.Run("process arguments", func(t *testing.T) {
		if _, err := os.Stat("/proc/self/cmdline"); err != nil {
			t.Skip("there is no /proc here")
		}
		lines := slices.Sorted(maps.Keys(bringUp.arguments))
		t.Logf("%d command lines were seen", len(lines))
		require.Contains(t, strings.Join(lines, "\n"), "scripts/cluster-kubeconfig.sh")
		for _, line := range lines {
			require.Empty(t, hidden.in(line), line)
		}

		planted := secrets{"planted": "e2e-planted-secret"}
		watch := watchArguments()
		require.NoError(t, exec.Command("sh", "-c", "sleep 0.2", "sh", planted["planted"]).Run())
		found := false
		for line := range watch.end() {
			found = found || len(planted.in(line)) > 0
		}
		require.True(t, found, "the check finds nothing")
	})

	t.Run("files that others can read", func(t *testing.T) {
		require.Empty(t, hidden.inFiles(t, p.root, readableByOthers))
		for _, file := range []string{"passphrase", "kubeconfig-" + p.cluster + ".yaml"} {
			info, err := os.Stat(filepath.Join(p.home, file))
			require.NoError(t, err)
			require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), file)
		}

		open := filepath.Join(t.TempDir(), "open")
		require.NoError(t, os.WriteFile(open, []byte(p.kubeconfig(t)), 0o600))
		require.NoError(t, os.Chmod(open, 0o604))
		require.NotEmpty(t, hidden.inFiles(t, filepath.Dir(open), readableByOthers), "the check finds nothing")
	})

	t.Run("temporary files", func(t *testing.T) {
		// The provider leaves the kubeconfig here, see internal/leftover. The ups and the preview of before are over.
		require.Empty(t, hidden.inFiles(t, p.tmp(), everything))

		foreign := filepath.Join(p.tmp(), "kubeconfig2")
		require.NoError(t, os.WriteFile(foreign, []byte("another's"), 0o600))
		for _, args := range [][]string{{"preview", "--non-interactive"}, upArgs} {
			before := kubeconfigsIn(t, p.tmp())
			// It does not run the program, so it leaves one, as a run that is killed does.
			p.attempt(t, "refresh", "--preview-only", "--non-interactive")
			require.NotEmpty(t, hidden.inFiles(t, p.tmp(), everything), "the check finds nothing")
			p.pulumi(t, args...)
			require.Equal(t, before, kubeconfigsIn(t, p.tmp()), args)
		}
		require.FileExists(t, foreign)
		require.NoError(t, os.Remove(foreign))
	})

	t.Run("plain state", func(t *testing.T) {
		state := filepath.Join(p.home, "state")
		require.Empty(t, hidden.inFiles(t, state, everything))

		plain := filepath.Join(t.TempDir(), "state.json")
		require.NoError(t, os.WriteFile(plain, []byte(p.pulumi(t, "stack", "export", "--show-secrets")), 0o600))
		require.NotEmpty(t, hidden.inFiles(t, filepath.Dir(plain), everything), "the check finds nothing")
	})
}

// secretsIn are the credentials of a kubeconfig, as they are written there and as they are used.
func secretsIn(t *testing.T, kubeconfig string) secrets {
	t.Helper()
	loaded, err := clientcmd.Load([]byte(kubeconfig))
	require.NoError(t, err)
	found := secrets{}
	for _, user := range loaded.AuthInfos {
		if key := string(user.ClientKeyData); key != "" {
			// One line is enough, and the first one is the same for every key.
			found["client key"] = strings.Split(key, "\n")[1]
			encoded := base64.StdEncoding.EncodeToString(user.ClientKeyData)
			found["client-key-data"] = encoded[len(encoded)/2:]
		}
		if user.Token != "" {
			found["token"] = user.Token
		}
	}
	require.NotEmpty(t, found)
	return found
}

// in names the secrets that a text has in it.
func (s secrets) in(text string) []string {
	var found []string
	for name, secret := range s {
		if strings.Contains(text, secret) {
			found = append(found, name)
		}
	}
	return found
}

func everything(fs.FileInfo) bool { return true }

func readableByOthers(info fs.FileInfo) bool { return info.Mode().Perm()&0o044 != 0 }

// kubeconfigsIn names the kubeconfigs in a folder.
func kubeconfigsIn(t *testing.T, folder string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "kubeconfig*"))
	require.NoError(t, err)
	return found
}

// inFiles names the files under a folder that have a secret in them.
func (s secrets) inFiles(t *testing.T, root string, concerned func(fs.FileInfo) bool) []string {
	t.Helper()
	var found []string
	files := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil || !concerned(info) {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for _, name := range s.in(string(b)) {
			found = append(found, path+": "+name)
		}
		return nil
	}))
	t.Logf("%d files looked at in %s", files, filepath.Base(root))
	return found
}
