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
		{name: "no route", spec: `http: []`, error: "it has no HTTP route with a split"},
		{
			name: "after the canary's own, twice",
			spec: `http: [{match: [{headers: {x: {}}}], route: [{destination: {subset: canary}, weight: 100}]},
				{match: [{}], route: [{destination: {subset: stable}, weight: 9}, {destination: {subset: canary}, weight: 1}]},
				{route: [{destination: {subset: stable}, weight: 9}, {destination: {subset: canary}, weight: 1}]}]`,
			want: "stable 90 %, canary 10 %",
		},
		{name: "the canary's own alone", spec: `http: [{match: [{headers: {x: {}}}], route: [{destination: {subset: canary}}]}]`, error: "it has no HTTP route with a split"},
		{
			name:  "two splits",
			spec:  `http: [{match: [{}], route: [{destination: {subset: stable}}]}, {route: [{destination: {subset: canary}}]}]`,
			error: "its HTTP routes have the splits stable 100 % and canary 100 %, and one is expected",
		},
		{name: "another route", spec: `http: [{route: [{destination: {subset: stable}}]}, {}]`, error: "its weights add up to 0"},
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
