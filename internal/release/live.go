package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"canary/internal/kube"
)

var virtualServices = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}

// ErrNoSplit marks a VirtualService that is there and holds no split of the app.
var ErrNoSplit = errors.New("it was changed by hand; `pulumi up --refresh` writes the configured split")

// Live is what one reading of the app's VirtualService tells.
type Live struct {
	Split
	// By is who wrote the routes last, and when, as its managedFields tell:
	// "kubectl-patch at 2026-11-26 20:15:04 UTC"; "" when they do not.
	By string

	object *unstructured.Unstructured
}

// ReadLive reads the app's VirtualService object: what istiod was told, which is not
// yet what every proxy serves. A missing object (or a cluster without Istio) is an
// error for which apierrors.IsNotFound is true; for one that holds no split, it is
// ErrNoSplit.
func ReadLive(ctx context.Context, c *kube.Client, app App) (Live, error) {
	object, err := virtualService(ctx, c, app)
	if err != nil {
		return Live{}, err
	}
	split, err := splitOf(object.Object)
	if err != nil {
		return Live{}, fmt.Errorf("VirtualService %s/%s: %w: %w", app.Namespace, app.Name, err, ErrNoSplit)
	}
	return Live{Split: split, By: kube.LastWriter(object.GetManagedFields(), "http"), object: object}, nil
}

// LiveSplit is the split that ReadLive reads.
func LiveSplit(ctx context.Context, c *kube.Client, app App) (Split, error) {
	live, err := ReadLive(ctx, c, app)
	return live.Split, err
}

// LiveHosts are the hosts of the app's VirtualService, the app's own name among them.
func LiveHosts(ctx context.Context, c *kube.Client, app App) ([]string, error) {
	object, err := virtualService(ctx, c, app)
	if err != nil {
		return nil, err
	}
	hosts, _, err := unstructured.NestedStringSlice(object.Object, "spec", "hosts")
	if err != nil {
		return nil, fmt.Errorf("VirtualService %s/%s: %w", app.Namespace, app.Name, err)
	}
	return hosts, nil
}

// virtualService reads the app's VirtualService; the error names it.
func virtualService(ctx context.Context, c *kube.Client, app App) (*unstructured.Unstructured, error) {
	object, err := c.Dynamic().Resource(virtualServices).Namespace(app.Namespace).Get(ctx, app.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("VirtualService %s/%s: %w", app.Namespace, app.Name, err)
	}
	return object, nil
}

// HTTPRoute is what an HTTP route of a VirtualService says of the split.
type HTTPRoute struct {
	Route []struct {
		Destination struct {
			Subset string `json:"subset"`
		} `json:"destination"`
		Weight int32 `json:"weight"`
	} `json:"route"`
}

// SplitRoutes are the HTTP routes of a VirtualService but those that a header leads to
// the canary alone.
func SplitRoutes(object map[string]any) ([]HTTPRoute, error) {
	spec, _ := object["spec"].(map[string]any)
	routes, _ := spec["http"].([]any)
	data, err := json.Marshal(slices.DeleteFunc(slices.Clone(routes), func(route any) bool {
		fields, _ := route.(map[string]any)
		return canaryAlone(fields)
	}))
	if err != nil {
		return nil, err
	}
	var split []HTTPRoute
	err = json.Unmarshal(data, &split)
	return split, err
}

// canaryAlone reports whether an HTTP route is for requests with a header alone, and has
// no destination but the canary.
func canaryAlone(route map[string]any) bool {
	matches, _ := route["match"].([]any)
	for _, match := range matches {
		fields, _ := match.(map[string]any)
		if headers, _ := fields["headers"].(map[string]any); len(headers) == 0 {
			return false
		}
	}
	destinations, _ := route["route"].([]any)
	bySubset, _, ours := subsetsOf(destinations)
	return len(matches) > 0 && ours && len(destinations) == 1 && bySubset[Canary] != nil
}

// splitOf finds the split in a VirtualService: the weights of the first of its
// SplitRoutes that leads to a subset.
func splitOf(object map[string]any) (Split, error) {
	routes, err := SplitRoutes(object)
	if err != nil {
		return Split{}, err
	}
	for _, http := range routes {
		var split Split
		var other []string
		for _, route := range http.Route {
			weight := route.Weight
			if len(http.Route) == 1 {
				weight = 100 // Istio ignores the weight of a single destination
			}
			switch route.Destination.Subset {
			case Stable:
				split.Stable += weight
			case Canary:
				split.Canary += weight
			default:
				other = append(other, route.Destination.Subset)
			}
		}
		switch {
		case len(other) == len(http.Route):
			continue
		case len(other) > 0:
			return Split{}, fmt.Errorf("its route leads to subset %q beside %s and %s", other[0], Stable, Canary)
		case !split.Valid():
			return Split{}, fmt.Errorf("its weights %d/%d are no split", split.Stable, split.Canary)
		}
		return split, nil
	}
	return Split{}, fmt.Errorf("it has no route to subset %s or %s", Stable, Canary)
}
