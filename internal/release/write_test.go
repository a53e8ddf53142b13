package release

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestSetSplit(t *testing.T) {
	t.Parallel()
	destination := func(subset string, weight int64) any {
		return map[string]any{"destination": map[string]any{"host": "shop", "subset": subset}, "weight": weight}
	}
	withHeaders := func(weight int64) map[string]any {
		return map[string]any{"destination": map[string]any{"host": "shop", "subset": "canary"}, "headers": "kept", "weight": weight}
	}
	alone := map[string]any{"route": []any{withHeaders(100)}}
	other := map[string]any{"route": []any{map[string]any{"destination": map[string]any{"host": "other"}}}}
	header := map[string]any{"match": []any{"a header"}, "route": []any{destination("canary", 70), destination("stable", 30)}}
	dark := map[string]any{"match": []any{map[string]any{"headers": map[string]any{"x-canary": map[string]any{}}}}, "route": []any{withHeaders(0)}}
	object := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"hosts": []any{"shop"}, "http": []any{dark, header, alone, other},
	}}}

	setSplit(object, Split{Stable: 9, Canary: 1})

	wanted := []any{destination("stable", 9), destination("canary", 1)}
	kept := []any{destination("stable", 9), withHeaders(1)}
	require.Equal(t, map[string]any{"spec": map[string]any{
		"hosts": []any{"shop"},
		"http":  []any{dark, map[string]any{"match": []any{"a header"}, "route": wanted}, map[string]any{"route": kept}, other},
	}}, object.Object)
}
