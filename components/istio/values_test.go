package istio

import (
	"testing"

	"github.com/sebdah/goldie/v2"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func TestDefaultValues(t *testing.T) {
	t.Parallel()
	r := register(t, map[string]string{})
	for _, release := range []string{"istio-base", "istiod", "istio-ingressgateway", "istio-egressgateway"} {
		text, err := yaml.Marshal(values(t, r, release))
		require.NoError(t, err)
		goldie.New(t, goldie.WithNameSuffix(".values.yaml")).Assert(t, release, text)
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name                string
		values, extra, want map[string]any
	}{
		{
			name:   "nothing extra",
			values: map[string]any{"a": 1},
			want:   map[string]any{"a": 1},
		},
		{
			name:  "nothing below",
			extra: map[string]any{"a": map[string]any{"b": 1}},
			want:  map[string]any{"a": map[string]any{"b": 1}},
		},
		{
			name:   "maps merge by key",
			values: map[string]any{"a": map[string]any{"b": 1, "c": map[string]any{"d": 2}}},
			extra:  map[string]any{"a": map[string]any{"c": map[string]any{"e": 3}}},
			want:   map[string]any{"a": map[string]any{"b": 1, "c": map[string]any{"d": 2, "e": 3}}},
		},
		{
			name:   "lists are replaced",
			values: map[string]any{"a": []any{1, 2}},
			extra:  map[string]any{"a": []any{3}},
			want:   map[string]any{"a": []any{3}},
		},
		{
			name:   "kinds may change",
			values: map[string]any{"a": map[string]any{"b": 1}, "c": 2},
			extra:  map[string]any{"a": "x", "c": map[string]any{"d": 3}},
			want:   map[string]any{"a": "x", "c": map[string]any{"d": 3}},
		},
		{
			name:   "null removes",
			values: map[string]any{"a": map[string]any{"b": 1, "c": 2}},
			extra:  map[string]any{"a": map[string]any{"b": nil}, "x": nil},
			want:   map[string]any{"a": map[string]any{"c": 2}},
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, merge(tc.values, tc.extra))
		})
	}
}

func TestMergeChangesNeitherArgument(t *testing.T) {
	t.Parallel()
	values := map[string]any{"a": map[string]any{"b": 1}}
	extra := map[string]any{"a": map[string]any{"b": 2, "c": map[string]any{"d": nil}}}

	merge(values, extra)

	require.Equal(t, map[string]any{"a": map[string]any{"b": 1}}, values)
	require.Equal(t, map[string]any{"a": map[string]any{"b": 2, "c": map[string]any{"d": nil}}}, extra)
}
