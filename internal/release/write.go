package release

import (
	"context"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/retry"

	"canary/internal/kube"
)

// fieldManager is the name under which a split that is written here stands in
// the object's managedFields.
const fieldManager = "canary"

// WriteSplit sets the weights in the app's VirtualService, and nothing else of
// it. It is for a roll back that must not wait for anything; an update of the
// stack writes the same later, with the rest of the object. read is what was read
// before; the zero Live, or one that is out of date, is read anew.
func WriteSplit(ctx context.Context, c *kube.Client, app App, read Live, split Split) error {
	objects := c.Dynamic().Resource(virtualServices).Namespace(app.Namespace)
	known := read.object
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		object := known.DeepCopy()
		known = nil
		if object == nil {
			var err error
			if object, err = objects.Get(ctx, app.Name, metav1.GetOptions{}); err != nil {
				return err
			}
		}
		setSplit(object, split)
		_, err := objects.Update(ctx, object, metav1.UpdateOptions{FieldManager: fieldManager})
		return err
	})
	return explainRefusal(app, err)
}

// setSplit gives every HTTP route that leads to the app's subsets both of them,
// with the weights of the split. One that a header leads to the canary alone stays: who
// asks for the canary gets it, also at a roll back.
func setSplit(object *unstructured.Unstructured, split Split) {
	routes, _, _ := unstructured.NestedSlice(object.Object, "spec", "http")
	for _, route := range routes {
		http, _ := route.(map[string]any)
		destinations, _ := http["route"].([]any)
		bySubset, host, ours := subsetsOf(destinations)
		if !ours || canaryAlone(http) {
			continue
		}
		to := func(subset string, weight int32) any {
			entry := bySubset[subset]
			if entry == nil {
				entry = map[string]any{"destination": map[string]any{"host": host, "subset": subset}}
			}
			entry["weight"] = int64(weight)
			return entry
		}
		http["route"] = []any{to(Stable, split.Stable), to(Canary, split.Canary)}
	}
	_ = unstructured.SetNestedSlice(object.Object, routes, "spec", "http")
}

// subsetsOf are the destinations by their subset, their host, and whether all of
// them are subsets of the app.
func subsetsOf(destinations []any) (bySubset map[string]map[string]any, host string, ours bool) {
	bySubset = map[string]map[string]any{}
	for _, destination := range destinations {
		entry, _ := destination.(map[string]any)
		subset, _, _ := unstructured.NestedString(entry, "destination", "subset")
		if subset != Stable && subset != Canary {
			return nil, "", false
		}
		bySubset[subset] = entry
		host, _, _ = unstructured.NestedString(entry, "destination", "host")
	}
	return bySubset, host, len(destinations) > 0
}

// Ours reports whether the last writer of a field is the stack itself: Pulumi's
// provider, or a roll back of this program.
func Ours(author string) bool {
	return strings.HasPrefix(author, "pulumi-kubernetes") || strings.HasPrefix(author, fieldManager+" ")
}
