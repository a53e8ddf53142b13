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
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"canary/internal/kube"
	"canary/internal/release"
	"canary/test/e2e/harness"
)

var (
	admissionPolicies = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingadmissionpolicies"}
	admissionBindings = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingadmissionpolicybindings"}
)

// TestRollBackIsNeverBlocked makes each object of the app impossible to update, one after the other, and rolls back:
// the split is back before the update fails for what is in its way. Once that is gone, one command takes everything back
// that was edited by hand.
func TestRollBackIsNeverBlocked(t *testing.T) {
	p := harness.Shared(t)
	p.RestoreAfter(t)
	a := p.Example(t)
	for _, object := range []struct {
		kind schema.GroupVersionResource
		name string
		long bool
	}{
		{harness.Deployments, "app-example", true},
		{harness.Deployments, "app-example-canary", false},
		{harness.Services, "app-example", true},
		{harness.ConfigMaps, "app-example-canary", true},
		{harness.Gateways, "app-example", true},
		{harness.DestinationRules, "app-example", false},
		{harness.PeerAuthentications, "default", true},
		{harness.Namespaces, "app-example", true},
	} {
		t.Run(object.kind.Resource+" "+object.name, func(t *testing.T) {
			if object.long {
				harness.Long(t)
			}
			p.Set(t, "canaryWeight", "50")
			p.Up(t)
			namespace, label := a.Namespace, "app.kubernetes.io/name"
			if object.kind == harness.Namespaces {
				namespace, label = "", "istio-injection"
			}
			edit := []byte(`{"metadata":{"labels":{"` + label + `":"edited"}}}`)
			of := harness.Objects(a.Client, object.kind, namespace)
			_, err := of.Patch(t.Context(), object.name, types.MergePatchType, edit, metav1.PatchOptions{FieldManager: "kubectl-edit"})
			require.NoError(t, err)
			allow := refuseUpdates(t, a.Client, object.kind, a.Namespace, object.name)

			p.Set(t, "canaryWeight", "0")
			back := timeUntil(t, a, release.Split{Stable: 100})
			refused := p.Attempt(t, append(harness.UpArgs, "--refresh")...)
			t.Logf("the split was back after %.1f s, exit code %d after %.1f s", back().Seconds(), refused.Code, refused.Took.Seconds())
			require.NotZero(t, refused.Code)
			require.Contains(t, refused.All, "taking weight from the canary before anything else: the split in force is stable 50 / canary 50")
			require.Contains(t, refused.All, "refused by a test")
			a.RequireIngress(t, 0)

			allow()
			p.Pulumi(t, append(harness.UpArgs, "--refresh")...)
			found, err := of.Get(t.Context(), object.name, metav1.GetOptions{})
			require.NoError(t, err)
			require.NotEqual(t, "edited", found.GetLabels()[label], "the edit is taken back")
			p.VerifyNoChanges(t)
		})
	}
}

// timeUntil begins to wait until an app's VirtualService has a split; after gives the time that it took.
func timeUntil(t *testing.T, a harness.App, split release.Split) (after func() time.Duration) {
	t.Helper()
	start, took := time.Now(), make(chan time.Duration, 1)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() {
		defer close(took)
		for ctx.Err() == nil {
			if live, err := release.LiveSplit(ctx, a.Client, release.App{Namespace: a.Namespace, Name: a.Name}); err == nil && live.Equal(split) {
				took <- time.Since(start)
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	return func() time.Duration {
		defer cancel()
		select {
		case d := <-took:
			return d
		case <-time.After(time.Second):
			t.Fatalf("the split is not %s", split)
			return 0
		}
	}
}

// refuseUpdates makes the API server refuse every update of one object, until allow is called.
func refuseUpdates(t *testing.T, c *kube.Client, kind schema.GroupVersionResource, namespace, name string) (allow func()) {
	t.Helper()
	const policy = "refused-by-a-test"
	create := func(resource schema.GroupVersionResource, spec map[string]any) {
		_, err := harness.Objects(c, resource, "").Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": resource.GroupVersion().String(), "kind": map[schema.GroupVersionResource]string{
				admissionPolicies: "ValidatingAdmissionPolicy", admissionBindings: "ValidatingAdmissionPolicyBinding",
			}[resource],
			"metadata": map[string]any{"name": policy}, "spec": spec,
		}}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	create(admissionPolicies, map[string]any{
		"matchConstraints": map[string]any{
			"resourceRules": []any{map[string]any{
				"apiGroups": []any{kind.Group}, "apiVersions": []any{kind.Version}, "resources": []any{kind.Resource},
				"operations": []any{"UPDATE"}, "resourceNames": []any{name},
			}},
		},
		"validations": []any{map[string]any{"expression": "false", "message": "refused by a test"}},
	})
	create(admissionBindings, map[string]any{
		"policyName": policy, "validationActions": []any{"Deny"},
		"matchResources": map[string]any{"namespaceSelector": map[string]any{
			"matchLabels": map[string]any{"kubernetes.io/metadata.name": namespace},
		}},
	})
	in := namespace
	if kind == harness.Namespaces {
		in = ""
	}
	try := func(refused bool) error {
		_, err := harness.Objects(c, kind, in).Patch(t.Context(), name, types.MergePatchType,
			[]byte(`{"metadata":{"labels":{"a-test":"tries"}}}`), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		if (err != nil) == refused {
			return nil
		}
		return fmt.Errorf("an update gives: %v", err)
	}
	undone := false
	allow = func() {
		t.Helper()
		if undone {
			return
		}
		undone = true
		for _, resource := range []schema.GroupVersionResource{admissionBindings, admissionPolicies} {
			require.NoError(t, harness.Objects(c, resource, "").Delete(t.Context(), policy, metav1.DeleteOptions{}))
		}
		harness.Eventually(t, time.Minute, func(context.Context) error { return try(false) })
	}
	t.Cleanup(func() {
		if !undone { // the test's own context is over
			for _, resource := range []schema.GroupVersionResource{admissionBindings, admissionPolicies} {
				_ = harness.Objects(c, resource, "").Delete(context.Background(), policy, metav1.DeleteOptions{})
			}
		}
	})
	harness.Eventually(t, time.Minute, func(context.Context) error { return try(true) })
	return allow
}

// TestRollBackWithWrongImage takes the weight from the canary and gives it an image that does not exist, in one update:
// the split is back first, then the image is told.
func TestRollBackWithWrongImage(t *testing.T) {
	harness.Long(t)
	p := harness.Shared(t)
	p.RestoreAfter(t)
	a := p.Example(t)
	p.Set(t, "canaryWeight", "50")
	p.Up(t)

	finish := a.Load(t, 50)
	p.SetAll(t, "canaryWeight=0", "canaryImage="+harness.TestImage("testserver:missing"))
	sick := p.Attempt(t, harness.UpArgs...)
	harness.RequireNoneFailed(t, finish())
	require.NotZero(t, sick.Code)
	require.Contains(t, sick.All, "taking weight from the canary before anything else")
	require.Contains(t, sick.All, "the split 100/0 is served, but: subset canary")
	a.RequireIngress(t, 0)
}

// TestChartsAreKept takes the chart repository away: a change of the weight and a preview do not miss it. Where the charts
// are not on this machine either, the roll back still goes through.
func TestChartsAreKept(t *testing.T) {
	p := harness.Shared(t)
	p.RestoreAfter(t)
	a := p.Example(t)
	kept := filepath.Join(p.Home, "charts")
	away := filepath.Join(p.Root, "charts-away")
	before := changesOfCharts(t, kept)

	p.Set(t, "canaryWeight", "50")
	p.Up(t)
	p.VerifyNoChanges(t)
	require.Equal(t, before, changesOfCharts(t, kept), "a change of the weight fetched charts")

	require.NoError(t, os.Rename(kept, away))
	t.Cleanup(func() { _ = os.Rename(away, kept) })
	require.NoError(t, os.WriteFile(kept, nil, 0o600), "no charts can be kept") // a file where the folder should be
	p.Set(t, "canaryWeight", "0")
	broken := p.Attempt(t, harness.UpArgs...)
	require.NotZero(t, broken.Code)
	require.Contains(t, broken.All, "taking weight from the canary before anything else")
	require.Contains(t, broken.All, "chart base, istiod, gateway")
	a.RequireIngress(t, 0)

	require.NoError(t, os.Remove(kept))
	require.NoError(t, os.Rename(away, kept))
	p.Up(t)
	p.VerifyNoChanges(t)
}

// changesOfCharts says when each chart was written.
func changesOfCharts(t *testing.T, dir string) map[string]time.Time {
	t.Helper()
	written := map[string]time.Time{}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.tgz"))
	require.NoError(t, err)
	require.Len(t, files, 3)
	for _, file := range files {
		info, err := os.Stat(file)
		require.NoError(t, err)
		written[file] = info.ModTime()
	}
	return written
}

// TestChangedByHand changes the VirtualService as somebody else would. What gives the canary more than the configuration
// is taken back at once; what gives it less may be a roll back, and is told at once, with the command that takes it back.
func TestChangedByHand(t *testing.T) {
	p := harness.Shared(t)
	p.RestoreAfter(t)
	a := p.Example(t)
	object := harness.Objects(a.Client, harness.VirtualServices, a.Namespace)
	live := func() string {
		t.Helper()
		split, err := release.LiveSplit(t.Context(), a.Client, release.App{Namespace: a.Namespace, Name: a.Name})
		require.NoError(t, err)
		return split.Short()
	}
	takenBack := func(said string) {
		t.Helper()
		failed := p.Attempt(t, harness.UpArgs...)
		t.Logf("exit code %d after %.1f s: %s", failed.Code, failed.Took.Seconds(), failed.All)
		require.NotZero(t, failed.Code)
		require.Contains(t, failed.All, said)
		require.Contains(t, failed.All, "`pulumi up --refresh` writes the configured split")
		p.Pulumi(t, append(harness.UpArgs, "--refresh")...)
		require.Equal(t, "50/50", live())
		a.RequireIngress(t, 50)
	}
	p.Set(t, "canaryWeight", "50")
	p.Up(t)

	weighByHand(t, a.Client, 70)
	out := p.Up(t)
	require.Contains(t, out, "taking weight from the canary before anything else: the split in force is stable 30 / canary 70, written by kubectl-patch at ")
	require.Equal(t, "50/50", live())
	p.VerifyNoChanges(t)

	weighByHand(t, a.Client, 0)
	takenBack("the VirtualService holds the split stable 100 / canary 0, as kubectl-patch at ")
	require.NoError(t, object.Delete(t.Context(), a.Name, metav1.DeleteOptions{}))
	_, err := object.Get(t.Context(), a.Name, metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
	takenBack("the VirtualService is gone, so that nothing splits traffic: somebody deleted it")
}

// weighByHand gives the canary a weight as `kubectl patch` does.
func weighByHand(t *testing.T, client *kube.Client, canary int) {
	t.Helper()
	weights, err := json.Marshal([]map[string]any{
		{"op": "replace", "path": "/spec/http/0/route/0/weight", "value": 100 - canary},
		{"op": "replace", "path": "/spec/http/0/route/1/weight", "value": canary},
	})
	require.NoError(t, err)
	_, err = harness.Objects(client, harness.VirtualServices, harness.AppName).
		Patch(t.Context(), harness.AppName, types.JSONPatchType, weights, metav1.PatchOptions{FieldManager: "kubectl-patch"})
	require.NoError(t, err)
}
