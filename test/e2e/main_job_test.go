//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMainJob is the product's promise, from nothing to nothing: up, the split at 0, 50, 100 and 0
// again by ingress and mesh, each change one updated resource and no difference left, destroy.
func TestMainJob(t *testing.T) {
	removeLeftovers(t)
	p := newProject(t)
	t.Cleanup(func() { p.destroy(t) })

	p.up(t)
	t.Run("outputs", func(t *testing.T) {
		require.Equal(t, fmt.Sprintf(`"http://app-example.app-example.localhost:%d"`, p.port), p.output(t, "url"))
		require.JSONEq(t, `{"stable":100,"canary":0}`, p.output(t, "split"))
		masked := p.pulumi(t, "stack", "output", "--json")
		require.Contains(t, masked, `"kubeconfig": "[secret]"`)
	})
	p.verifySplit(t, 100, 0)
	p.verifyNoChanges(t)

	for _, canary := range []int{50, 100, 0} {
		p.set(t, "canaryWeight", fmt.Sprint(canary))
		p.up(t)
		require.Equal(t, map[string]int{"update": 1}, p.changes(t), "a change of the weight updates one resource")
		p.verifySplit(t, 100-canary, canary)
		p.verifyNoChanges(t)
	}

	p.destroy(t)
	p.verifyNothingLeft(t)
}

// verifySplit counts who answers by both paths; `canary requests` itself fails outside the bound.
func (p *project) verifySplit(t *testing.T, stable, canary int) {
	t.Helper()
	require.JSONEq(t, fmt.Sprintf(`{"stable":%d,"canary":%d}`, stable, canary), p.output(t, "split"))
	for _, from := range []string{"ingress", "mesh"} {
		r := p.requests(t, from)
		require.Empty(t, r.Failures)
		if canary == 0 || canary == 100 {
			require.Equal(t, 10*canary, r.Counts["canary"], r.raw)
		}
	}
}

func (p *project) verifyNoChanges(t *testing.T) {
	t.Helper()
	p.pulumi(t, "preview", "--expect-no-changes", "--non-interactive")
	p.pulumi(t, "refresh", "--yes", "--skip-preview", "--expect-no-changes", "--non-interactive")
}

func (p *project) destroy(t *testing.T) {
	t.Helper()
	out := p.pulumi(t, "destroy", "--yes", "--skip-preview", "--non-interactive")
	t.Log(lastLines(out, 6))
}

// verifyNothingLeft looks for anything of the cluster in the engine, and at the user's kubeconfig.
func (p *project) verifyNothingLeft(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{
		{"ps", "--all", "--format", "{{.Names}}"},
		{"volume", "ls", "--format", "{{.Name}}"},
		{"network", "ls", "--format", "{{.Name}}"},
	} {
		require.NotContains(t, run(t, p.dir, p.env, "docker", args...), p.cluster)
	}
	dangling := run(t, p.dir, p.env, "docker", "volume", "ls", "--quiet", "--filter", "label=k3d.cluster="+p.cluster)
	require.Empty(t, dangling)
	for _, kv := range p.env {
		if file, ok := strings.CutPrefix(kv, "KUBECONFIG="); ok {
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, userKubeconfig, string(b), "the user's kubeconfig must not change")
		}
	}
}

// removeLeftovers removes clusters of earlier runs whose process is gone.
func removeLeftovers(t *testing.T) {
	t.Helper()
	var clusters []struct {
		Name string `json:"name"`
	}
	require.NoError(t, json.Unmarshal([]byte(run(t, ".", nil, "k3d", "cluster", "list", "--output", "json")), &clusters))
	for _, c := range clusters {
		pid, ours := strings.CutPrefix(c.Name, "canary-e2e-")
		if !ours {
			continue
		}
		if _, err := os.Stat("/proc/" + pid); os.IsNotExist(err) {
			t.Logf("removing the cluster %s of an earlier run", c.Name)
			run(t, ".", nil, "k3d", "cluster", "delete", c.Name)
		}
	}
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
