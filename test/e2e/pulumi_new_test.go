//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"canary/test/e2e/harness"
)

// TestPulumiNew makes a project under another name from the checkout: it works as it is, and keys that somebody brings
// along under the old name are refused with a command that mends them.
func TestPulumiNew(t *testing.T) {
	name := harness.NewName()
	p := newFromTemplate(t, name)
	verifyPreview(t, p)

	content, err := os.ReadFile(p.ConfigFile())
	require.NoError(t, err)
	old := strings.ReplaceAll(string(content), "\n  "+name+":", "\n  canary:")
	require.NotEqual(t, string(content), old)
	require.NoError(t, os.WriteFile(p.ConfigFile(), []byte(old), 0o600))
	p.Set(t, "canaryWeight", "50")

	refused := p.Attempt(t, "preview", "--non-interactive")
	t.Log(refused.All)
	require.NotZero(t, refused.Code)
	require.Contains(t, refused.All, `1 problem in the stack's configuration:`)
	found := regexp.MustCompile(`canary:canaryWeight, canary:clusterName, canary:httpPort.*: belong to project "canary", ` +
		`and this project is "` + name + `"; allowed: keys without a prefix or with ` + name + `: in front; ` +
		`run: (pulumi config rm-all canary:canaryWeight && sed .* Pulumi\.dev\.yaml)\n`).FindStringSubmatch(refused.All)
	require.NotNil(t, found)

	harness.Run(t, p.Dir, p.Env, "sh", "-c", found[1])
	verifyPreview(t, p)
	require.Equal(t, "50\n", p.Pulumi(t, "config", "get", "canaryWeight"))
	require.Equal(t, p.Cluster+"\n", p.Pulumi(t, "config", "get", "clusterName"))
}

// newFromTemplate makes a project with "pulumi new" from the files that Git knows, and its stack dev.
func newFromTemplate(t *testing.T, name string) *harness.Project {
	t.Helper()
	template := &harness.Checkout{Dir: filepath.Join(t.TempDir(), "canary")}
	template.CopyFiles(t)
	made := *harness.TheOneCheckout(t)
	made.Dir = t.TempDir()
	p := &harness.Project{Checkout: &made, Stack: "dev", Cluster: "canary"}
	t.Log(harness.Run(t, p.Dir, p.Env, "pulumi", "new", template.Dir, "--name", name, "--stack", p.Stack, "--yes", "--non-interactive"))
	t.Cleanup(func() { p.Pulumi(t, "stack", "rm", "--yes", "--non-interactive") })
	// Its configuration is all that a new project has of its own.
	differing, _, err := harness.Try(p.Dir, p.Env, "diff", "--recursive", "--brief", template.Dir, p.Dir)
	require.Error(t, err)
	require.Equal(t, 2, strings.Count(differing, "\n"), differing)
	require.Contains(t, differing, p.ConfigFile()+" differ")
	require.Contains(t, differing, filepath.Join(p.Dir, "Pulumi.yaml")+" differ")

	// Where the published charts cannot be reached, their address is all that a preview needs.
	var here struct{ Config map[string]any }
	require.NoError(t, yaml.Unmarshal(harness.StackFile(t), &here))
	if repository, set := here.Config["istioChartRepository"].(string); set {
		p.Set(t, "istioChartRepository", repository)
	}
	return p
}

func verifyPreview(t *testing.T, p *harness.Project) {
	t.Helper()
	require.Regexp(t, `\+ \d+ to create\n`, p.Pulumi(t, "preview", "--non-interactive"))
}
