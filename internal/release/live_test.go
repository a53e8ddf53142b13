package release

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"canary/internal/kubetest"
)

func TestSplitOf(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		http string
		want Split
		err  string
	}{
		"both":               {`[{"route":[{"destination":{"subset":"stable"},"weight":95},{"destination":{"subset":"canary"},"weight":5}]}]`, Split{95, 5}, ""},
		"zero left out":      {`[{"route":[{"destination":{"subset":"stable"},"weight":100},{"destination":{"subset":"canary"}}]}]`, Split{100, 0}, ""},
		"single destination": {`[{"route":[{"destination":{"subset":"canary"}}]}]`, Split{0, 100}, ""},
		"after another":      {`[{"redirect":{}},{"route":[{"destination":{"host":"x"}}]},{"route":[{"destination":{"subset":"stable"}}]}]`, Split{100, 0}, ""},
		"after the canary's own": {
			`[{"match":[{"headers":{"x":{}}}],"route":[{"destination":{"subset":"canary"}}]},{"match":[{}],"route":[{"destination":{"subset":"stable"},"weight":95},{"destination":{"subset":"canary"},"weight":5}]}]`,
			Split{95, 5}, "",
		},
		"the canary's own alone":     {`[{"match":[{"headers":{"x":{}}}],"route":[{"destination":{"subset":"canary"}}]}]`, Split{}, "it has no route to subset stable or canary"},
		"a path to the canary alone": {`[{"match":[{"uri":{"prefix":"/"}}],"route":[{"destination":{"subset":"canary"}}]}]`, Split{0, 100}, ""},
		"a third subset":             {`[{"route":[{"destination":{"subset":"stable"},"weight":95},{"destination":{"subset":"beta"},"weight":5}]}]`, Split{}, `its route leads to subset "beta" beside stable and canary`},
		"no weights":                 {`[{"route":[{"destination":{"subset":"stable"}},{"destination":{"subset":"canary"}}]}]`, Split{}, "its weights 0/0 are no split"},
		"no routes":                  {`[]`, Split{}, "it has no route to subset stable or canary"},
		"weight a string":            {`[{"route":[{"weight":"5"}]}]`, Split{}, "cannot unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var object map[string]any
			require.NoError(t, json.Unmarshal([]byte(`{"spec":{"http":`+tc.http+`}}`), &object))
			got, err := splitOf(object)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestLiveSplit(t *testing.T) {
	t.Parallel()
	client := kubetest.API(t, map[string]string{
		"/apis/networking.istio.io/v1/namespaces/app-example/virtualservices/app-example": `{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"app-example"},` +
			`"spec":{"http":[{"route":[{"destination":{"subset":"stable"},"weight":9995},{"destination":{"subset":"canary"},"weight":5}]}]}}`,
	})
	split, err := LiveSplit(t.Context(), client, exampleApp)
	require.NoError(t, err)
	require.Equal(t, Split{9995, 5}, split)

	_, err = LiveSplit(t.Context(), client, App{Namespace: "app-example", Name: "other"})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
	require.ErrorContains(t, err, "VirtualService app-example/other: ")
}
