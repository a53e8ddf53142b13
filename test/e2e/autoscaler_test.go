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

// TestAutoscaler lets Kubernetes' autoscaler keep the number of pods: it raises the canary to its least number, and what
// it scales to stays through updates and refreshes, is waited for, and is told when it is too few.
func TestAutoscaler(t *testing.T) {
	harness.Long(t)
	p := harness.Shared(t)
	p.RestoreAfter(t)
	app := p.Example(t)
	p.SetAll(t, "drainSeconds=1", "canaryMaxReplicas=3")
	p.Up(t)
	requireReplicas(t, app, 1)

	p.Set(t, "canaryReplicas", "2")
	p.Up(t)
	requireReplicas(t, app, 2)

	scaleCanary(t, app, 3)
	p.Pulumi(t, append(harness.UpArgs, "--refresh")...)
	requireReplicas(t, app, 3)
	p.VerifyNoChanges(t)
	p.Set(t, "canaryWeight", "50")
	out := p.Up(t)
	require.NotContains(t, out, "in proportion")
	require.Len(t, harness.Ready(harness.PodsOf(t, app.Client, app.Namespace, app.Name, "canary")), 3)
	app.RequireSplit(t, 50)

	p.SetAll(t, "canaryWeight=0", "stableReplicas=3")
	p.Up(t)
	p.Set(t, "canaryReplicas", "1")
	p.Up(t)
	scaleCanary(t, app, 1)
	p.Set(t, "canaryWeight", "100")
	out = p.Up(t)
	line := harness.LineWith(out, "pods that would carry them")
	t.Log(line)
	require.Contains(t, line, "canary gets 100 % of the requests, and has 1 of the 3 pods that would carry them as stable's do now. "+
		"Its autoscaler adds pods only once they are loaded; `pulumi config set canaryReplicas 3` and `pulumi up` have them ready before")
	app.RequireSplit(t, 100)
}

// scaleCanary does what the autoscaler does when the load changes.
func scaleCanary(t *testing.T, app harness.App, replicas int) {
	t.Helper()
	deployments := harness.Objects(app.Client, harness.Deployments, app.Namespace)
	_, err := deployments.Patch(t.Context(), app.Name+"-canary", types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas),
		metav1.PatchOptions{FieldManager: "kube-controller-manager"}, "scale")
	require.NoError(t, err)
	requireReplicas(t, app, replicas)
}

// requireReplicas waits until the canary has so many ready pods, and its Deployment asks for as many.
func requireReplicas(t *testing.T, app harness.App, want int) {
	t.Helper()
	harness.Eventually(t, time.Minute, func(ctx context.Context) error {
		deployments, err := app.Client.Deployments(ctx, app.Namespace, "app.kubernetes.io/subset=canary")
		if err != nil {
			return err
		}
		ready := len(harness.Ready(harness.PodsOf(t, app.Client, app.Namespace, app.Name, "canary")))
		if asked := int(*deployments[0].Spec.Replicas); asked != want || ready != want {
			return fmt.Errorf("%d asked for, %d ready, %d wanted", asked, ready, want)
		}
		return nil
	})
}
