//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestNothingToDo is a second up: it changes no resource and touches no object.
func TestNothingToDo(t *testing.T) {
	p := shared(t)
	c := p.client(t)
	before := versions(t, c, "app-example")
	p.up(t)
	require.Empty(t, p.changes(t))
	require.Equal(t, before, versions(t, c, "app-example"))
	p.verifyNoChanges(t)
}

// TestCanaryImageWithoutTraffic releases another image to a canary that has no traffic yet: stable and the split stay
// as they are, and the new pods serve when the split moves to them.
func TestCanaryImageWithoutTraffic(t *testing.T) {
	p := shared(t)
	p.restoreAfter(t)
	a := p.example(t)
	version := splitVersion(t, a.client, a.namespace, a.name)
	stable := podsOf(t, a.client, a.namespace, a.name, "stable")

	p.set(t, "canaryImage", imageNext)
	p.up(t)
	require.Equal(t, version, splitVersion(t, a.client, a.namespace, a.name), "the split was written")
	require.Equal(t, names(stable), names(podsOf(t, a.client, a.namespace, a.name, "stable")))
	canary := ready(podsOf(t, a.client, a.namespace, a.name, "canary"))
	require.Len(t, canary, 1)
	require.Equal(t, imageNext, canary[0].Spec.Containers[0].Image)
	a.requireIngress(t, 0)

	p.set(t, "canaryWeight", "50")
	p.up(t)
	a.requireSplit(t, 50)
}

// TestReplicas changes the number of pods of both subsets; up returns when they are ready.
func TestReplicas(t *testing.T) {
	p := shared(t)
	p.restoreAfter(t)
	a := p.example(t)
	for _, want := range []struct{ stable, canary int }{{2, 3}, {1, 0}} {
		p.setAll(t, fmt.Sprintf("stableReplicas=%d", want.stable), fmt.Sprintf("canaryReplicas=%d", want.canary))
		p.up(t)
		require.Len(t, ready(podsOf(t, a.client, a.namespace, a.name, "stable")), want.stable)
		require.Len(t, ready(podsOf(t, a.client, a.namespace, a.name, "canary")), want.canary)
	}
	a.requireSplit(t, 0)
}

// TestPodsWithoutSidecar takes the label for injection from the namespace and restarts the pods: they are not ready for
// traffic, and `up` and `status` say why, and what gives them their sidecars back.
func TestPodsWithoutSidecar(t *testing.T) {
	p := shared(t)
	p.restoreAfter(t)
	a := p.example(t)
	_, err := objects(a.client, namespaces, "").Patch(t.Context(), a.namespace, types.MergePatchType,
		[]byte(`{"metadata":{"labels":{"istio-injection":null}}}`), metav1.PatchOptions{FieldManager: "kubectl"})
	require.NoError(t, err)
	restart := func() {
		t.Helper()
		for _, pod := range append(podsOf(t, a.client, a.namespace, a.name, "stable"), podsOf(t, a.client, a.namespace, a.name, "canary")...) {
			require.NoError(t, objects(a.client, podResource, a.namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{}))
		}
	}
	restart()
	eventually(t, time.Minute, func(context.Context) error {
		pods := ready(podsOf(t, a.client, a.namespace, a.name, "stable"))
		if len(pods) != 1 || len(pods[0].Spec.Containers)+len(pods[0].Spec.InitContainers) != 1 {
			return fmt.Errorf("the pod has not been replaced by one without a sidecar yet: %v", names(pods))
		}
		return nil
	})

	failed := p.attempt(t, upArgs...)
	t.Logf("exit code %d after %.1f s: %s", failed.code, failed.took.Seconds(), failed.all)
	require.NotZero(t, failed.code)
	require.Contains(t, failed.all, "NoSidecar: it has no container istio-proxy, so its traffic is neither split nor encrypted")
	require.Contains(t, failed.all, "`kubectl -n app-example rollout restart deployment -l app.kubernetes.io/name=app-example`")
	status := p.attemptCommand(t, "canary", "status", "--stack", p.stack)
	t.Logf("status: exit code %d: %s", status.code, status.all)
	require.NotZero(t, status.code)

	// As the message says: the label first, then the pods.
	p.attempt(t, append(upArgs, "--refresh")...)
	restart()
	p.up(t)
	a.requireSplit(t, 0)
}
