//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/test/e2e/harness"
)

// TestProxyCutOff cuts one proxy off from istiod and changes the split: up waits for it, fails at its timeout, and says
// which one it is and what it serves. When the proxy is back, the same up succeeds.
func TestProxyCutOff(t *testing.T) {
	p := harness.Shared(t)
	a := p.Example(t)
	p.RestoreAfter(t)
	pods := harness.Ready(harness.PodsOf(t, a.Client, a.Namespace, a.Name, "stable"))
	require.NotEmpty(t, pods)
	pod := pods[0]
	restore := harness.CutOff(t, a.Client, pod, harness.ServiceAddress(t, a.Client, harness.MeshNamespace, "istiod"))
	// What istiod sends still arrives until one of the two misses the answers of the other.
	istiod, err := a.Client.Pods(t.Context(), harness.MeshNamespace, "app=istiod")
	require.NoError(t, err)
	require.Len(t, istiod, 1)
	known := func(want bool) {
		t.Helper()
		begin := time.Now()
		harness.Eventually(t, 2*time.Minute, func(context.Context) error {
			book := harness.Ask(t, a.Client, http.MethodGet, harness.MeshNamespace, istiod[0].Name, 15014, "/debug/syncz")
			if got := strings.Contains(book, pod.Name); got != want {
				return fmt.Errorf("istiod knows the proxy: %t", got)
			}
			return nil
		})
		t.Logf("istiod knows the proxy: %t, after %.1f s", want, time.Since(begin).Seconds())
	}
	known(false)

	p.SetAll(t, "convergeTimeout=20", "canaryWeight=50")
	version := harness.SplitVersion(t, a.Client, a.Namespace, a.Name)
	result := p.Attempt(t, harness.UpArgs...)
	t.Logf("exit code %d after %.1f s: %s %s", result.Code, result.Took.Seconds(), harness.LineWith(result.All, "but after"), harness.LineWith(result.All, pod.Name))
	require.NotZero(t, result.Code, result.All)
	require.Contains(t, harness.LineWith(result.All, pod.Name), "serves stable 100 / canary 0")
	require.Contains(t, result.All, "but after 20s 1 of 4 proxies do not serve it")
	written := harness.SplitVersion(t, a.Client, a.Namespace, a.Name)
	require.NotEqual(t, version, written, "the split was not written")

	restore()
	known(true) // Envoy pauses between its tries, for longer than the update waits: 21 s were seen
	p.Up(t)
	require.Equal(t, written, harness.SplitVersion(t, a.Client, a.Namespace, a.Name), "the split was written again")
	a.RequireSplit(t, 50)
}

// TestIstiodDown changes the split while istiod is down: the API server takes no change, up says so, and traffic goes on.
func TestIstiodDown(t *testing.T) {
	p := harness.Shared(t)
	a := p.Example(t)
	p.RestoreAfter(t)
	version := harness.SplitVersion(t, a.Client, a.Namespace, a.Name)
	scale := func(replicas int) {
		harness.PatchDeployment(t, a.Client, harness.MeshNamespace, "istiod", fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas))
		harness.Settled(t, a.Client, harness.MeshNamespace, "istiod")
	}
	scale(0)
	up := false
	t.Cleanup(func() {
		if !up {
			scale(1)
		}
	})
	harness.Drained(t, a.Client, harness.MeshNamespace)

	p.Set(t, "canaryWeight", "50")
	result := p.Attempt(t, harness.UpArgs...)
	message := harness.LineWith(result.All, "the split stays")
	t.Logf("exit code %d after %.1f s: %s", result.Code, result.Took.Seconds(), message)
	require.NotZero(t, result.Code, result.All)
	require.Contains(t, message, "the split stays 100/0, and traffic goes on as before: the API server refuses every change of a VirtualService")
	require.Contains(t, message, "check istiod (`kubectl get pods -A -l app=istiod`)")
	require.Equal(t, version, harness.SplitVersion(t, a.Client, a.Namespace, a.Name))
	a.RequireIngress(t, 0)

	scale(1)
	up = true
	p.Up(t)
	a.RequireSplit(t, 50)
}
