//go:build e2e

package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/test/e2e/harness"
)

// TestMainJob is the product's promise, from nothing to nothing: up, the split at 0, 50, 100 and 0
// again by ingress and mesh, each change one updated resource and no difference left, destroy.
func TestMainJob(t *testing.T) {
	p := harness.NewProject(t)
	t.Cleanup(func() { p.Destroy(t) })

	p.Up(t)
	t.Run("outputs", func(t *testing.T) {
		require.Equal(t, fmt.Sprintf(`"http://app-example.app-example.localhost:%d"`, p.Port), p.Output(t, "url"))
		require.JSONEq(t, `{"stable":100,"canary":0}`, p.Output(t, "split"))
		masked := p.Pulumi(t, "stack", "output", "--json")
		require.Contains(t, masked, `"kubeconfig": "[secret]"`)
	})
	p.VerifySplit(t, 100, 0)
	p.VerifyNoChanges(t)

	for _, canary := range []int{50, 100, 0} {
		p.Set(t, "canaryWeight", fmt.Sprint(canary))
		p.Up(t)
		require.Equal(t, map[string]int{"update": 1}, p.Changes(t), "a change of the weight updates one resource")
		p.VerifySplit(t, 100-canary, canary)
		p.VerifyNoChanges(t)
	}

	p.Destroy(t)
	p.VerifyNothingLeft(t)
}
