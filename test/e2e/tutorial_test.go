//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/test/e2e/harness"
)

// TestTutorial types what docs/tutorial.md says.
func TestTutorial(t *testing.T) {
	harness.Long(t)
	p := harness.Shared(t)
	p.RestoreAfter(t)
	p.Pulumi(t, "stack", "select")
	text, err := os.ReadFile(filepath.Join(p.Dir, "docs", "tutorial.md"))
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)\n```sh\n(.*?)```\n").FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		start := time.Now()
		shell := exec.Command("bash", "-e", "-o", "pipefail", "-c", block[1])
		shell.Dir, shell.Env = p.Dir, p.Env
		out, err := shell.CombinedOutput()
		require.NoError(t, err, "%s\n%s", block[1], out)
		t.Logf("%s%s%.1f s", block[1], out, time.Since(start).Seconds())
	}
}
