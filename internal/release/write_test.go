package release

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestSetSplit(t *testing.T) {
	t.Parallel()
	destination := func(subset string, weight int64) any {
		return map[string]any{"destination": map[string]any{"host": "shop", "subset": subset}, "weight": weight}
	}
	alone := map[string]any{"route": []any{map[string]any{"destination": map[string]any{"host": "shop", "subset": "canary"}}}}
	other := map[string]any{"route": []any{map[string]any{"destination": map[string]any{"host": "other"}}}}
	header := map[string]any{"match": []any{"a header"}, "route": []any{destination("canary", 70), destination("stable", 30)}}
	object := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"hosts": []any{"shop"}, "http": []any{header, alone, other},
	}}}

	setSplit(object, Split{Stable: 9, Canary: 1})

	wanted := []any{destination("stable", 9), destination("canary", 1)}
	require.Equal(t, map[string]any{"spec": map[string]any{
		"hosts": []any{"shop"},
		"http":  []any{map[string]any{"match": []any{"a header"}, "route": wanted}, map[string]any{"route": wanted}, other},
	}}, object.Object)
}

func TestAuthor(t *testing.T) {
	t.Parallel()
	entry := func(manager, fields string, minute int) metav1.ManagedFieldsEntry {
		at := metav1.NewTime(time.Date(2026, 11, 26, 20, minute, 0, 0, time.UTC))
		return metav1.ManagedFieldsEntry{Manager: manager, Time: &at, FieldsV1: metav1.NewFieldsV1(fields)}
	}
	const routes, labels = `{"f:spec":{"f:http":{}}}`, `{"f:metadata":{"f:labels":{}}}`
	require.Empty(t, authorOf(nil))
	require.Empty(t, authorOf([]metav1.ManagedFieldsEntry{entry("helm", labels, 3), {Manager: "no time"}}))
	require.Equal(t, "kubectl-patch at 2026-11-26 20:02:00 UTC", authorOf([]metav1.ManagedFieldsEntry{
		entry("pulumi", routes, 1), entry("kubectl-patch", routes, 2), entry("helm", labels, 3),
	}))
}
