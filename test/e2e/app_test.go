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

	"canary/test/e2e/harness"
)

// TestNothingToDo is a second up: it changes no resource and touches no object.
func TestNothingToDo(t *testing.T) {
	harness.Long(t)
	p := harness.Shared(t)
	c := p.Client(t)
	before := harness.Versions(t, c, "app-example")
	p.Up(t)
	require.Empty(t, p.Changes(t))
	require.Equal(t, before, harness.Versions(t, c, "app-example"))
	p.VerifyNoChanges(t)
}

// TestCanaryImageWithoutTraffic releases another image to a canary that has no traffic yet: stable and the split stay
// as they are, and the new pods serve when the split moves to them.
func TestCanaryImageWithoutTraffic(t *testing.T) {
	harness.Long(t)
	p := harness.Shared(t)
	p.RestoreAfter(t)
	a := p.Example(t)
	version := harness.SplitVersion(t, a.Client, a.Namespace, a.Name)
	stable := harness.PodsOf(t, a.Client, a.Namespace, a.Name, "stable")

	p.Set(t, "canaryImage", harness.ImageNext)
	p.Up(t)
	require.Equal(t, version, harness.SplitVersion(t, a.Client, a.Namespace, a.Name), "the split was written")
	require.Equal(t, harness.Names(stable), harness.Names(harness.PodsOf(t, a.Client, a.Namespace, a.Name, "stable")))
	canary := harness.Ready(harness.PodsOf(t, a.Client, a.Namespace, a.Name, "canary"))
	require.Len(t, canary, 1)
	require.Equal(t, harness.ImageNext, canary[0].Spec.Containers[0].Image)
	a.RequireIngress(t, 0)

	p.Set(t, "canaryWeight", "50")
	p.Up(t)
	a.RequireSplit(t, 50)
}

// TestReplicas changes the number of pods of both subsets; up returns when they are ready.
func TestReplicas(t *testing.T) {
	harness.Long(t)
	p := harness.Shared(t)
	p.RestoreAfter(t)
	a := p.Example(t)
	for _, want := range []struct{ stable, canary int }{{2, 3}, {1, 0}} {
		p.SetAll(t, fmt.Sprintf("stableReplicas=%d", want.stable), fmt.Sprintf("canaryReplicas=%d", want.canary))
		p.Up(t)
		require.Len(t, harness.Ready(harness.PodsOf(t, a.Client, a.Namespace, a.Name, "stable")), want.stable)
		require.Len(t, harness.Ready(harness.PodsOf(t, a.Client, a.Namespace, a.Name, "canary")), want.canary)
	}
	a.RequireSplit(t, 0)
}

// TestPodsWithoutSidecar takes the label for injection from the namespace and restarts the pods: they are not ready for
// traffic, and `up` and `status` say why, and what gives them their sidecars back.
func TestPodsWithoutSidecar(t *testing.T) {
	harness.Long(t)
	p := harness.Shared(t)
	p.RestoreAfter(t)
	a := p.Example(t)
	_, err := harness.Objects(a.Client, harness.Namespaces, "").Patch(t.Context(), a.Namespace, types.MergePatchType,
		[]byte(`{"metadata":{"labels":{"istio-injection":null}}}`), metav1.PatchOptions{FieldManager: "kubectl"})
	require.NoError(t, err)
	restart := func() {
		t.Helper()
		for _, pod := range append(harness.PodsOf(t, a.Client, a.Namespace, a.Name, "stable"), harness.PodsOf(t, a.Client, a.Namespace, a.Name, "canary")...) {
			require.NoError(t, harness.Objects(a.Client, harness.PodResource, a.Namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{}))
		}
	}
	restart()
	harness.Eventually(t, time.Minute, func(context.Context) error {
		pods := harness.Ready(harness.PodsOf(t, a.Client, a.Namespace, a.Name, "stable"))
		if len(pods) != 1 || len(pods[0].Spec.Containers)+len(pods[0].Spec.InitContainers) != 1 {
			return fmt.Errorf("the pod has not been replaced by one without a sidecar yet: %v", harness.Names(pods))
		}
		return nil
	})

	failed := p.Attempt(t, harness.UpArgs...)
	t.Logf("exit code %d after %.1f s: %s", failed.Code, failed.Took.Seconds(), failed.All)
	require.NotZero(t, failed.Code)
	require.Contains(t, failed.All, "NoSidecar: it has no container istio-proxy, so its traffic is neither split nor encrypted")
	require.Contains(t, failed.All, "`kubectl -n app-example rollout restart deployment -l app.kubernetes.io/name=app-example`")
	status := p.AttemptCommand(t, "canary", "status", "--stack", p.Stack)
	t.Logf("status: exit code %d: %s", status.Code, status.All)
	require.NotZero(t, status.Code)

	// As the message says: the label first, then the pods.
	p.Attempt(t, append(harness.UpArgs, "--refresh")...)
	restart()
	p.Up(t)
	a.RequireSplit(t, 0)
}
