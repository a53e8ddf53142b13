//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"canary/internal/traffic"
	"canary/test/e2e/harness"
)

// TestAutoscaler leaves it to load how many pods the canary has, from its least number on: what the autoscaler scales to stays
// through updates and refreshes, no request fails, and a move of the split tells when they are too few.
func TestAutoscaler(t *testing.T) {
	harness.Long(t)
	p := harness.Shared(t)
	p.RestoreAfter(t)
	app := p.Example(t)
	require.NoError(t, os.WriteFile(filepath.Join(p.Dir, "canary.yaml"), []byte(`{spec: {containers: [{name: app, resources: {requests: {cpu: 50m}}}]}}`), 0o600))
	p.SetAll(t, "canaryImage="+harness.ImageNext, "canaryPod=canary.yaml", "canaryMaxReplicas=3", "canaryWeight=50")
	p.Up(t)
	requireReplicas(t, app, 1)

	light := app.Load(t, 5)
	// Half of the requests go to the canary and keep it busy for 200 ms of each second.
	heavy := harness.Send(t, traffic.Options{URL: fmt.Sprintf("http://127.0.0.1:%d/work?seconds=0.01", app.Port), Host: app.Host, Rate: 40})
	requireReplicas(t, app, 3)
	before := canaryPods(t, app)
	p.Pulumi(t, append(harness.UpArgs, "--refresh")...)
	p.VerifyNoChanges(t)
	p.Set(t, "canaryWeight", "75")
	out := p.Up(t)
	require.NotContains(t, out, tooFew)
	require.Equal(t, before, canaryPods(t, app), "the pods stay")
	harness.RequireNoneFailed(t, heavy())

	// It takes pods away when fewer would have done for 5 minutes, unless it is told otherwise.
	_, err := harness.Objects(app.Client, harness.Autoscalers, app.Namespace).Patch(t.Context(), app.Name+"-canary", types.MergePatchType,
		[]byte(`{"spec":{"behavior":{"scaleDown":{"stabilizationWindowSeconds":0}}}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	requireReplicas(t, app, 1)
	app.RequireSplit(t, 75)
	harness.RequireNoneFailed(t, light())

	p.SetAll(t, "canaryWeight=0", "canaryReplicas=2", "stableReplicas=3")
	p.Up(t)
	requireReplicas(t, app, 2)
	p.Set(t, "canaryReplicas", "1")
	p.Up(t)
	requireReplicas(t, app, 1)
	p.Set(t, "canaryWeight", "100")
	line := harness.LineWith(p.Up(t), tooFew)
	t.Log(line)
	require.Contains(t, line, "canary gets 100 % of the requests, and has 1 of the 3 "+tooFew+" as stable's do now. "+
		"Its autoscaler adds pods only once they are loaded; `pulumi config set canaryReplicas 3` and `pulumi up` have them ready before")
	app.RequireSplit(t, 100)
}

// tooFew is in the line that says so.
const tooFew = "pods that would carry them"

// canaryPods are the names of the canary's pods that are not ending.
func canaryPods(t *testing.T, app harness.App) []string {
	t.Helper()
	return harness.Names(harness.PodsOf(t, app.Client, app.Namespace, app.Name, "canary"))
}

// requireReplicas waits until the canary has so many ready pods, and its Deployment asks for as many. Its autoscaler looks
// every 15 seconds at figures that are as old.
func requireReplicas(t *testing.T, app harness.App, want int) {
	t.Helper()
	start := time.Now()
	harness.Eventually(t, 3*time.Minute, func(ctx context.Context) error {
		deployments, err := app.Client.Deployments(ctx, app.Namespace, "app.kubernetes.io/subset=canary")
		if err != nil {
			return err
		}
		ready := len(harness.Ready(harness.PodsOf(t, app.Client, app.Namespace, app.Name, "canary")))
		if asked := int(*deployments[0].Spec.Replicas); asked != want || ready != want {
			return fmt.Errorf("%d asked for, %d ready, %d wanted; the autoscaler: %s", asked, ready, want, autoscalerOf(t, app))
		}
		return nil
	})
	t.Logf("%d pods after %.1f s; the autoscaler: %s", want, time.Since(start).Seconds(), autoscalerOf(t, app))
}

// autoscalerOf is what the canary's autoscaler says of itself.
func autoscalerOf(t *testing.T, app harness.App) string {
	t.Helper()
	object, err := harness.Objects(app.Client, harness.Autoscalers, app.Namespace).Get(t.Context(), app.Name+"-canary", metav1.GetOptions{})
	require.NoError(t, err)
	status, err := json.Marshal(object.Object["status"])
	require.NoError(t, err)
	return string(status)
}
