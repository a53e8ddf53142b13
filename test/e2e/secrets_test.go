//go:build e2e

package e2e

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/test/e2e/harness"
)

// TestSecretsStayHidden looks for the cluster's credentials and the passphrase where others could read them. Each check
// is then shown to find what it looks for.
func TestSecretsStayHidden(t *testing.T) {
	p := harness.Shared(t)
	hidden := harness.SecretsIn(t, p.Kubeconfig(t))
	hidden["passphrase"] = p.Passphrase(t)

	t.Run("log", func(t *testing.T) {
		for name, log := range map[string]string{
			"first up": harness.BringUp.Log,
			"up":       p.Up(t),
			"preview":  p.Pulumi(t, "preview", "--diff", "--show-sames", "--show-config", "--non-interactive"),
			"outputs":  p.Pulumi(t, "stack", "output", "--json"),
			"state":    p.Pulumi(t, "stack", "export"),
		} {
			require.NotEmpty(t, log)
			require.Empty(t, hidden.In(log), name)
		}
		require.NotEmpty(t, hidden.In(p.Pulumi(t, "stack", "output", "--json", "--show-secrets")), "the check finds nothing")
	})

	t.Run("process arguments", func(t *testing.T) {
		if _, err := os.Stat("/proc/self/cmdline"); err != nil {
			t.Skip("there is no /proc here")
		}
		lines := slices.Sorted(maps.Keys(harness.BringUp.Arguments))
		t.Logf("%d command lines were seen", len(lines))
		require.Contains(t, strings.Join(lines, "\n"), "scripts/cluster-kubeconfig.sh")
		for _, line := range lines {
			require.Empty(t, hidden.In(line), line)
		}

		planted := harness.Secrets{"planted": "e2e-planted-secret"}
		watch := harness.WatchArguments()
		require.NoError(t, exec.Command("sh", "-c", "sleep 0.2", "sh", planted["planted"]).Run())
		found := false
		for line := range watch.End() {
			found = found || len(planted.In(line)) > 0
		}
		require.True(t, found, "the check finds nothing")
	})

	t.Run("files that others can read", func(t *testing.T) {
		require.Empty(t, hidden.InFiles(t, p.Root, harness.ReadableByOthers))
		for _, file := range []string{"passphrase", "kubeconfig-" + p.Cluster + ".yaml"} {
			info, err := os.Stat(filepath.Join(p.Home, file))
			require.NoError(t, err)
			require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), file)
		}

		open := filepath.Join(t.TempDir(), "open")
		require.NoError(t, os.WriteFile(open, []byte(p.Kubeconfig(t)), 0o600))
		require.NoError(t, os.Chmod(open, 0o604))
		require.NotEmpty(t, hidden.InFiles(t, filepath.Dir(open), harness.ReadableByOthers), "the check finds nothing")
	})

	t.Run("temporary files", func(t *testing.T) {
		// The provider leaves the kubeconfig here, see internal/leftover. The ups and the preview of before are over.
		require.Empty(t, hidden.InFiles(t, p.Tmp(), harness.Everything))

		foreign := filepath.Join(p.Tmp(), "kubeconfig2")
		require.NoError(t, os.WriteFile(foreign, []byte("another's"), 0o600))
		for _, args := range [][]string{{"preview", "--non-interactive"}, harness.UpArgs} {
			before := harness.KubeconfigsIn(t, p.Tmp())
			// It does not run the program, so it leaves one, as a run that is killed does.
			p.Attempt(t, "refresh", "--preview-only", "--non-interactive")
			require.NotEmpty(t, hidden.InFiles(t, p.Tmp(), harness.Everything), "the check finds nothing")
			p.Pulumi(t, args...)
			require.Equal(t, before, harness.KubeconfigsIn(t, p.Tmp()), args)
		}
		require.FileExists(t, foreign)
		require.NoError(t, os.Remove(foreign))
	})

	t.Run("plain state", func(t *testing.T) {
		state := filepath.Join(p.Home, "state")
		require.Empty(t, hidden.InFiles(t, state, harness.Everything))

		plain := filepath.Join(t.TempDir(), "state.json")
		require.NoError(t, os.WriteFile(plain, []byte(p.Pulumi(t, "stack", "export", "--show-secrets")), 0o600))
		require.NotEmpty(t, hidden.InFiles(t, filepath.Dir(plain), harness.Everything), "the check finds nothing")
	})
}
