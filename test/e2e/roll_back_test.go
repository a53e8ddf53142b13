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
)

var (
	admissionPolicies = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingadmissionpolicies"}
	admissionBindings = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingadmissionpolicybindings"}
)

// TestRollBackIsNeverBlocked makes each object of the app impossible to update, one after the other, and rolls back:
// the split is back before the update fails for what is in its way. Once that is gone, one command takes everything back
// that was edited by hand.
func TestRollBackIsNeverBlocked(t *testing.T) {
	p := shared(t)
	p.restoreAfter(t)
	a := p.example(t)
	for _, object := range []struct {
		kind schema.GroupVersionResource
		name string
	}{
		{deployments, "app-example"},
		{deployments, "app-example-canary"},
		{services, "app-example"},
		{configMaps, "app-example-canary"},
		{gateways, "app-example"},
		{destinationRules, "app-example"},
		{peerAuthentications, "default"},
		{namespaces, "app-example"},
	} {
		t.Run(object.kind.Resource+" "+object.name, func(t *testing.T) {
			p.set(t, "canaryWeight", "50")
			p.up(t)
			namespace, label := a.namespace, "app.kubernetes.io/name"
			if object.kind == namespaces {
				namespace, label = "", "istio-injection"
			}
			edit := []byte(`{"metadata":{"labels":{"` + label + `":"edited"}}}`)
			of := objects(a.client, object.kind, namespace)
			_, err := of.Patch(t.Context(), object.name, types.MergePatchType, edit, metav1.PatchOptions{FieldManager: "kubectl-edit"})
			require.NoError(t, err)
			allow := refuseUpdates(t, a.client, object.kind, a.namespace, object.name)

			p.set(t, "canaryWeight", "0")
			refused := p.attempt(t, append(upArgs, "--refresh")...)
			t.Logf("exit code %d after %.1f s", refused.code, refused.took.Seconds())
			require.NotZero(t, refused.code)
			require.Contains(t, refused.all, "rolling back before anything else: the split in force is stable 50 / canary 50")
			require.Contains(t, refused.all, "refused by a test")
			a.requireIngress(t, 0)

			allow()
			p.pulumi(t, append(upArgs, "--refresh")...)
			found, err := of.Get(t.Context(), object.name, metav1.GetOptions{})
			require.NoError(t, err)
			require.NotEqual(t, "edited", found.GetLabels()[label], "the edit is taken back")
			p.verifyNoChanges(t)
		})
	}
}

// refuseUpdates makes the API server refuse every update of one object, until allow is called.
func refuseUpdates(t *testing.T, c *kube.Client, kind schema.GroupVersionResource, namespace, name string) (allow func()) {
	t.Helper()
	const policy = "refused-by-a-test"
	create := func(resource schema.GroupVersionResource, spec map[string]any) {
		_, err := objects(c, resource, "").Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
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
	if kind == namespaces {
		in = ""
	}
	try := func(refused bool) error {
		_, err := objects(c, kind, in).Patch(t.Context(), name, types.MergePatchType,
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
			require.NoError(t, objects(c, resource, "").Delete(t.Context(), policy, metav1.DeleteOptions{}))
		}
		eventually(t, time.Minute, func(context.Context) error { return try(false) })
	}
	t.Cleanup(func() {
		if !undone { // the test's own context is over
			for _, resource := range []schema.GroupVersionResource{admissionBindings, admissionPolicies} {
				_ = objects(c, resource, "").Delete(context.Background(), policy, metav1.DeleteOptions{})
			}
		}
	})
	eventually(t, time.Minute, func(context.Context) error { return try(true) })
	return allow
}

// TestRollBackWithWrongImage takes the weight from the canary and gives it an image that does not exist, in one update:
// the split is back first, then the image is told.
func TestRollBackWithWrongImage(t *testing.T) {
	p := shared(t)
	p.restoreAfter(t)
	a := p.example(t)
	p.set(t, "canaryWeight", "50")
	p.up(t)

	load := a.startSteadyRequests(t)
	p.setAll(t, "canaryWeight=0", "canaryImage="+testImage("testserver:missing"))
	sick := p.attempt(t, upArgs...)
	load.requireNoneFailed(t)
	require.NotZero(t, sick.code)
	require.Contains(t, sick.all, "rolling back before anything else")
	require.Contains(t, sick.all, "the split 100/0 is served, but: subset canary")
	a.requireIngress(t, 0)
}

// TestChartsAreKept takes the chart repository away: a change of the weight and a preview do not miss it. Where the charts
// are not on this machine either, the roll back still goes through.
func TestChartsAreKept(t *testing.T) {
	p := shared(t)
	p.restoreAfter(t)
	a := p.example(t)
	kept := filepath.Join(p.home, "charts")
	away := filepath.Join(p.root, "charts-away")
	before := p.changesOfCharts(t, kept)

	p.set(t, "canaryWeight", "50")
	p.up(t)
	p.verifyNoChanges(t)
	require.Equal(t, before, p.changesOfCharts(t, kept), "a change of the weight fetched charts")

	require.NoError(t, os.Rename(kept, away))
	t.Cleanup(func() { _ = os.Rename(away, kept) })
	require.NoError(t, os.WriteFile(kept, nil, 0o600), "no charts can be kept") // a file where the folder should be
	p.set(t, "canaryWeight", "0")
	broken := p.attempt(t, upArgs...)
	require.NotZero(t, broken.code)
	require.Contains(t, broken.all, "rolling back before anything else")
	require.Contains(t, broken.all, "chart base, istiod, gateway")
	a.requireIngress(t, 0)

	require.NoError(t, os.Remove(kept))
	require.NoError(t, os.Rename(away, kept))
	p.up(t)
	p.verifyNoChanges(t)
}

// changesOfCharts says when each chart was written.
func (p *project) changesOfCharts(t *testing.T, dir string) map[string]time.Time {
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
	p := shared(t)
	p.restoreAfter(t)
	a := p.example(t)
	object := objects(a.client, virtualServices, a.namespace)
	patch := func(stable, canary int) {
		t.Helper()
		weights, err := json.Marshal([]map[string]any{
			{"op": "replace", "path": "/spec/http/0/route/0/weight", "value": stable},
			{"op": "replace", "path": "/spec/http/0/route/1/weight", "value": canary},
		})
		require.NoError(t, err)
		_, err = object.Patch(t.Context(), a.name, types.JSONPatchType, weights, metav1.PatchOptions{FieldManager: "kubectl-patch"})
		require.NoError(t, err)
	}
	live := func() string {
		t.Helper()
		split, err := release.LiveSplit(t.Context(), a.client, release.App{Namespace: a.namespace, Name: a.name})
		require.NoError(t, err)
		return split.Short()
	}
	takenBack := func(said string) {
		t.Helper()
		failed := p.attempt(t, upArgs...)
		t.Logf("exit code %d after %.1f s: %s", failed.code, failed.took.Seconds(), failed.all)
		require.NotZero(t, failed.code)
		require.Contains(t, failed.all, said)
		require.Contains(t, failed.all, "`pulumi up --refresh` writes the configured split")
		p.pulumi(t, append(upArgs, "--refresh")...)
		require.Equal(t, "50/50", live())
		a.requireIngress(t, 50)
	}
	p.set(t, "canaryWeight", "50")
	p.up(t)

	patch(30, 70)
	out := p.up(t)
	require.Contains(t, out, "rolling back before anything else: the split in force is stable 30 / canary 70, written by kubectl-patch at ")
	require.Equal(t, "50/50", live())
	p.verifyNoChanges(t)

	patch(100, 0)
	takenBack("the VirtualService holds the split stable 100 / canary 0, as kubectl-patch at ")
	require.NoError(t, object.Delete(t.Context(), a.name, metav1.DeleteOptions{}))
	_, err := object.Get(t.Context(), a.name, metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
	takenBack("the VirtualService is gone, so that nothing splits traffic: somebody deleted it")
}
