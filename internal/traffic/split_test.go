package traffic

import (
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func TestParseSplit(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		spec  string
		want  string
		error string
	}{
		{
			name: "whole percents",
			spec: `http: [{route: [{destination: {host: app, subset: stable}, weight: 50}, {destination: {host: app, subset: canary}, weight: 50}]}]`,
			want: "stable 50 %, canary 50 %",
		},
		{
			name: "parts of 10 000",
			spec: `http: [{route: [{destination: {subset: stable}, weight: 9995}, {destination: {subset: canary}, weight: 5}]}]`,
			want: "stable 99.95 %, canary 0.05 %",
		},
		{
			name: "a weight of 0 that is left out",
			spec: `http: [{route: [{destination: {subset: stable}, weight: 100}, {destination: {subset: canary}}]}]`,
			want: "stable 100 %, canary 0 %",
		},
		{
			name: "a lone destination gets everything",
			spec: `http: [{route: [{destination: {subset: stable}}]}]`,
			want: "stable 100 %",
		},
		{name: "no route", spec: `http: []`, error: "it has 0 HTTP routes, and 1 is expected"},
		{name: "two routes", spec: `http: [{}, {}]`, error: "it has 2 HTTP routes, and 1 is expected"},
		{name: "no destination", spec: `http: [{}]`, error: "its weights add up to 0"},
		{
			name:  "no subset",
			spec:  `http: [{route: [{destination: {host: app}, weight: 100}]}]`,
			error: "a destination of it has no subset",
		},
		{
			name:  "negative weight",
			spec:  `http: [{route: [{destination: {subset: stable}, weight: -1}]}]`,
			error: "its weight for subset stable is -1",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var spec map[string]any
			require.NoError(t, yaml.Unmarshal([]byte(c.spec), &spec))
			split, err := ParseSplit(map[string]any{"spec": spec})
			if c.error != "" {
				require.EqualError(t, err, c.error)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, split.String())
		})
	}
}
