package canary

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/drift"
	"canary/internal/kubetest"
)

// What is looked for in the cluster is what is registered: a cluster that has just
// that has not drifted.
func TestAsWritten(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options map[string]string
		objects int
	}{
		"the example app":   {nil, 10},
		"the canary is off": {map[string]string{"canaryReplicas": "0"}, 8},
		"a user's image": {map[string]string{
			"name": "shop", "namespace": "store", "stableImage": "shop:1", "canaryImage": "shop:2", "stableReplicas": "3",
			"canaryWeight": "12.5", "istioRevision": "1-31", "containerPort": "3000",
		}, 8},
		"all beside the split":           {map[string]string{"canaryHeader": "x-canary", "mirrorPercent": "10", "stickyCookie": "v"}, 11},
		"the namespace of somebody else": {map[string]string{"createNamespace": "false"}, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := configuration(t, tc.options)
			objects, err := asWritten(c)
			require.NoError(t, err)
			require.Len(t, objects, tc.objects)

			live := map[string]string{}
			for _, r := range preview(t, tc.options).All() {
				inputs := r.Inputs.Mappable()
				kind, _ := inputs["kind"].(string)
				if kind == "" {
					continue
				}
				text, err := json.Marshal(inputs)
				require.NoError(t, err)
				live[path(inputs["apiVersion"].(string), kind, inputs["metadata"].(map[string]any))] = string(text)
			}
			changes, err := drift.Find(t.Context(), kubetest.API(t, live), objects)
			require.NoError(t, err)
			require.Empty(t, drift.Lines(changes))
		})
	}
}

// path is where an API server has an object.
func path(version, kind string, metadata map[string]any) string {
	root := "/apis/"
	if version == "v1" {
		root = "/api/"
	}
	if namespace, _ := metadata["namespace"].(string); namespace != "" {
		version += "/namespaces/" + namespace
	}
	return root + version + "/" + strings.ToLower(kind) + "s/" + metadata["name"].(string)
}
