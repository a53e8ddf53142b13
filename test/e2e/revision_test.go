//go:build e2e

package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestRevision runs the app on an Istio that has a revision, so that the label istio-injection=enabled injects nothing:
// `up` says so, and what it says to type gives the pods their sidecars.
func TestRevision(t *testing.T) {
	p := newProject(t, "agents=0")
	t.Cleanup(func() { p.destroy(t) })
	for _, value := range []string{"base.defaultRevision", "istiod.revision", "ingressgateway.revision", "egressgateway.revision"} {
		p.pulumi(t, "config", "set", "--path", "istioValues."+value, "e2e-1")
	}

	failed := p.attempt(t, upArgs...)
	t.Logf("exit code %d after %.1f s: %s", failed.code, failed.took.Seconds(), lineWith(failed.all, "NoSidecar"))
	require.NotZero(t, failed.code)
	require.Contains(t, failed.all, "NoSidecar: it has no container istio-proxy, so its traffic is neither split nor encrypted; "+
		"namespace app-example has the label istio-injection=enabled, and no Istio of the cluster answers to it: its revisions are e2e-1; "+
		"`pulumi config set istioRevision e2e-1`, then `pulumi up`")

	p.set(t, "istioRevision", "e2e-1")
	p.set(t, "canaryWeight", "50")
	p.up(t)
	a := p.example(t)
	a.requireSplit(t, 50)
	namespace, err := objects(a.client, namespaces, "").Get(t.Context(), a.namespace, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "e2e-1", namespace.GetLabels()["istio.io/rev"])
	require.NotContains(t, namespace.GetLabels(), "istio-injection")
	p.verifyNoChanges(t)
}
