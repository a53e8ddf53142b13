//go:build e2e

package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canary/test/e2e/harness"
)

// TestRevision runs the app on an Istio that has a revision, so that the label istio-injection=enabled injects nothing:
// `up` says so, and what it says to type gives the pods their sidecars.
func TestRevision(t *testing.T) {
	harness.Long(t)
	p := harness.NewProject(t, "agents=0")
	t.Cleanup(func() { p.Destroy(t) })
	for _, value := range []string{"base.defaultRevision", "istiod.revision", "ingressgateway.revision", "egressgateway.revision"} {
		p.Pulumi(t, "config", "set", "--path", "istioValues."+value, "e2e-1")
	}

	failed := p.Attempt(t, harness.UpArgs...)
	t.Logf("exit code %d after %.1f s: %s", failed.Code, failed.Took.Seconds(), harness.LineWith(failed.All, "NoSidecar"))
	require.NotZero(t, failed.Code)
	require.Contains(t, failed.All, "NoSidecar: it has no container istio-proxy, so its traffic is neither split nor encrypted; "+
		"namespace app-example has the label istio-injection=enabled, and no Istio of the cluster answers to it: its revisions are e2e-1; "+
		"`pulumi config set istioRevision e2e-1`, then `pulumi up`")

	p.Set(t, "istioRevision", "e2e-1")
	p.Set(t, "canaryWeight", "50")
	p.Up(t)
	a := p.Example(t)
	a.RequireSplit(t, 50)
	namespace, err := harness.Objects(a.Client, harness.Namespaces, "").Get(t.Context(), a.Namespace, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "e2e-1", namespace.GetLabels()["istio.io/rev"])
	require.NotContains(t, namespace.GetLabels(), "istio-injection")
	p.VerifyNoChanges(t)
}
