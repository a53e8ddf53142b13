package mesh

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"canary/internal/kubetest"
	"canary/internal/release"
)

func TestMTLSMode(t *testing.T) {
	t.Parallel()
	policy := func(namespace, name, mode, second, selector string) string {
		return fmt.Sprintf(`{"metadata":{"namespace":"%s","name":"%s","creationTimestamp":"2026-11-26T20:00:%sZ"},"spec":{"mtls":{"mode":"%s"},"selector":{"matchLabels":{%s}}}}`,
			namespace, name, second, mode, selector)
	}
	const ours, others = `"app":"shop"`, `"app":"other"`
	for name, tc := range map[string]struct {
		policies   []string
		mode, from string
	}{
		"none":                    {nil, "PERMISSIVE", "Istio's default"},
		"the mesh":                {[]string{policy("istio-system", "m", "STRICT", "01", "")}, "STRICT", "PeerAuthentication istio-system/m"},
		"the namespace":           {[]string{policy("istio-system", "m", "STRICT", "01", ""), policy("store", "n", "PERMISSIVE", "02", "")}, "PERMISSIVE", "PeerAuthentication store/n"},
		"the oldest":              {[]string{policy("store", "a", "STRICT", "02", ""), policy("store", "b", "DISABLE", "01", "")}, "DISABLE", "PeerAuthentication store/b"},
		"the pods":                {[]string{policy("store", "n", "PERMISSIVE", "01", ""), policy("store", "p", "STRICT", "02", ours)}, "STRICT", "PeerAuthentication store/p"},
		"other pods":              {[]string{policy("store", "p", "STRICT", "01", others)}, "PERMISSIVE", "Istio's default"},
		"unset":                   {[]string{policy("istio-system", "m", "STRICT", "01", ""), policy("store", "n", "UNSET", "02", "")}, "STRICT", "PeerAuthentication istio-system/m"},
		"pods of the whole mesh":  {[]string{policy("istio-system", "m", "STRICT", "01", ours)}, "PERMISSIVE", "Istio's default"},
		"somebody else's, beside": {[]string{policy("other", "n", "STRICT", "01", "")}, "PERMISSIVE", "Istio's default"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var items []unstructured.Unstructured
			for _, text := range tc.policies {
				var object unstructured.Unstructured
				require.NoError(t, object.UnmarshalJSON([]byte(`{"kind":"PeerAuthentication","apiVersion":"security.istio.io/v1",`+text[1:])))
				items = append(items, object)
			}
			mode, from := mtlsMode(decode[peerAuthentication](items), "store", labels.Set{"app": "shop"})
			require.Equal(t, [2]string{tc.mode, tc.from}, [2]string{mode, from})
		})
	}
}

func TestPlainText(t *testing.T) {
	t.Parallel()
	app, pod := release.App{Namespace: "store", Name: "shop"}, labels.Set{release.LabelName: "shop"}
	require.Equal(t, "the app's pods take plain text beside mTLS: their mode is PERMISSIVE, by Istio's default, which is not the stack's and is left as it is. This lets them, and no other pod, refuse it: "+
		`echo '{"apiVersion":"security.istio.io/v1","kind":"PeerAuthentication","metadata":{"name":"shop"},"spec":{"selector":{"matchLabels":{"app.kubernetes.io/name":"shop"}},"mtls":{"mode":"STRICT"}}}' | kubectl -n store apply -f -`,
		plainText(t.Context(), kubetest.API(t, others("", "", "")), app, pod))
	require.Empty(t, plainText(t.Context(), kubetest.API(t, others("", "", strictPolicy)), app, pod))
	require.Empty(t, plainText(t.Context(), kubetest.API(t, nil), app, pod), "what may not be read is not told")
}
