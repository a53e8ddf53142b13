//go:build e2e

package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMainJob is the product's promise, from nothing to nothing: up, the split at 0, 50, 100 and 0
// again by ingress and mesh, each change one updated resource and no difference left, destroy.
func TestMainJob(t *testing.T) {
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
