package podpatch

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	k8sjson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// App is the name of the app's container in a template.
const App = "app"

// Apply merges patches over a template, one after the other; nil is none.
func Apply(template corev1.PodTemplateSpec, patches ...*Patch) (corev1.PodTemplateSpec, error) {
	fields, err := decode(template)
	if err != nil {
		return template, err
	}
	for _, patch := range patches {
		if patch == nil {
			continue
		}
		wanted, err := decode(patch.fields)
		if err != nil {
			return template, err
		}
		giveProbes(container(fields), container(wanted))
		if fields, err = strategicpatch.StrategicMergeMapPatch(fields, wanted, corev1.PodTemplateSpec{}); err != nil {
			return template, fmt.Errorf("merge: %w", err)
		}
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return template, err
	}
	var merged corev1.PodTemplateSpec
	if err := json.Unmarshal(text, &merged); err != nil {
		return template, fmt.Errorf("merge: %w", err)
	}
	// The first container is the one that kubectl shows.
	slices.SortStableFunc(merged.Spec.Containers, func(a, b corev1.Container) int {
		return cmp.Compare(rank(a), rank(b))
	})
	return merged, nil
}

func rank(container corev1.Container) int {
	if container.Name == App {
		return 0
	}
	return 1
}

// decode is a copy of an object's fields.
func decode(object any) (map[string]any, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	return fields, k8sjson.Unmarshal(text, &fields)
}

// container is the app's in the fields of a template; nil when it is not in them.
func container(template map[string]any) map[string]any {
	spec, _ := template["spec"].(map[string]any)
	containers, _ := spec["containers"].([]any)
	for _, entry := range containers {
		if fields, _ := entry.(map[string]any); fields["name"] == App {
			return fields
		}
	}
	return nil
}

// handlers are the ways in which a probe asks; it may have one.
var handlers = []string{"exec", "grpc", "httpGet", "tcpSocket"}

// giveProbes makes a probe of a patch ask in its own way instead of the template's, and
// the startup probe, which is the readiness probe with more patience, follow it.
func giveProbes(app, wanted map[string]any) {
	readiness, startup := object(wanted, "readinessProbe"), object(wanted, "startupProbe")
	_, given := wanted["startupProbe"]
	if own := handlerOf(readiness); own != nil && handlerOf(startup) == nil && (startup != nil || !given) {
		if startup == nil {
			startup = map[string]any{}
			wanted["startupProbe"] = startup
		}
		maps.Copy(startup, own)
	}
	for _, probe := range []string{"readinessProbe", "startupProbe"} {
		if own := handlerOf(object(wanted, probe)); own != nil {
			for _, handler := range handlers {
				if _, same := own[handler]; !same {
					delete(object(app, probe), handler)
				}
			}
		}
	}
}

func object(fields map[string]any, name string) map[string]any {
	below, _ := fields[name].(map[string]any)
	return below
}

// handlerOf is the part of a probe that says how it asks; nil if it does not say.
func handlerOf(probe map[string]any) map[string]any {
	for _, handler := range handlers {
		if probe[handler] != nil {
			return map[string]any{handler: probe[handler]}
		}
	}
	return nil
}
