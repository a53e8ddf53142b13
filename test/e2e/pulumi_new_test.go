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
)

// TestPulumiNew makes a project under another name from the checkout: it works as it is, and keys that somebody brings
// along under the old name are refused with a command that mends them.
func TestPulumiNew(t *testing.T) {
	name := newNames()
	p := newFromTemplate(t, name)
	verifyPreview(t, p)

	content, err := os.ReadFile(p.configFile())
	require.NoError(t, err)
	old := strings.ReplaceAll(string(content), "\n  "+name+":", "\n  canary:")
	require.NotEqual(t, string(content), old)
	require.NoError(t, os.WriteFile(p.configFile(), []byte(old), 0o600))
	p.set(t, "canaryWeight", "50")

	refused := p.attempt(t, "preview", "--non-interactive")
	t.Log(refused.all)
	require.NotZero(t, refused.code)
	require.Contains(t, refused.all, `1 problem in the stack's configuration:`)
	found := regexp.MustCompile(`canary:canaryWeight, canary:clusterName, canary:httpPort.*: belong to project "canary", ` +
		`and this project is "` + name + `"; allowed: keys without a prefix or with ` + name + `: in front; ` +
		`run: (pulumi config rm-all canary:canaryWeight && sed .* Pulumi\.dev\.yaml)\n`).FindStringSubmatch(refused.all)
	require.NotNil(t, found)

	run(t, p.dir, p.env, "sh", "-c", found[1])
	verifyPreview(t, p)
	require.Equal(t, "50\n", p.pulumi(t, "config", "get", "canaryWeight"))
	require.Equal(t, p.cluster+"\n", p.pulumi(t, "config", "get", "clusterName"))
}

// newFromTemplate makes a project with "pulumi new" from the files that Git knows, and its stack dev.
func newFromTemplate(t *testing.T, name string) *project {
	t.Helper()
	template := &checkout{dir: filepath.Join(t.TempDir(), "canary")}
	template.copyFiles(t)
	made := *theOneCheckout(t)
	made.dir = t.TempDir()
	p := &project{checkout: &made, stack: "dev", cluster: "canary"}
	t.Log(run(t, p.dir, p.env, "pulumi", "new", template.dir, "--name", name, "--stack", p.stack, "--yes", "--non-interactive"))
	t.Cleanup(func() { p.pulumi(t, "stack", "rm", "--yes", "--non-interactive") })
	// Its configuration is all that a new project has of its own.
	differing, _, err := try(p.dir, p.env, "diff", "--recursive", "--brief", template.dir, p.dir)
	require.Error(t, err)
	require.Equal(t, 2, strings.Count(differing, "\n"), differing)
	require.Contains(t, differing, p.configFile()+" differ")
	require.Contains(t, differing, filepath.Join(p.dir, "Pulumi.yaml")+" differ")

	// Where the published charts cannot be reached, their address is all that a preview needs.
	var here struct{ Config map[string]any }
	require.NoError(t, yaml.Unmarshal(stackFile(t), &here))
	if repository, set := here.Config["istioChartRepository"].(string); set {
		p.set(t, "istioChartRepository", repository)
	}
	return p
}

func verifyPreview(t *testing.T, p *project) {
	t.Helper()
	require.Regexp(t, `\+ \d+ to create\n`, p.pulumi(t, "preview", "--non-interactive"))
}
