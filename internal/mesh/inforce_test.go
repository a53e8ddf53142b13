package mesh

import (
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/kubetest"
	"canary/internal/release"
)

func TestInForce(t *testing.T) {
	t.Parallel()
	const (
		api   = "/apis/networking.istio.io/v1/namespaces/shop/"
		plain = `{"servers":[{"port":{"number":80,"protocol":"HTTP"},"hosts":["a.example","b.example"]}]}`
		https = `{"servers":[{"port":{"number":80,"protocol":"HTTP"},"hosts":["a.example"],"tls":{"httpsRedirect":true}},
			{"port":{"number":443,"protocol":"HTTPS"},"hosts":["a.example"],"tls":{"mode":"SIMPLE"}}]}`
		alone = `{"servers":[{"port":{"number":443,"protocol":"HTTPS"},"hosts":["a.example"],"tls":{"mode":"SIMPLE"}}]}`
	)
	want := release.App{Namespace: "shop", Name: "web", Hosts: []string{"a.example", "b.example", "c.example"}, TLS: true}
	for name, tc := range map[string]struct {
		gateway, routed string
		hosts           []string
		tls             bool
	}{
		"others than are wanted":           {plain, `["web","a.example","b.example"]`, []string{"a.example", "b.example"}, false},
		"an update ended between the two":  {plain, `["web","b.example","old.example"]`, []string{"b.example"}, false},
		"HTTPS":                            {https, `["web","a.example"]`, []string{"a.example"}, true},
		"HTTPS, and HTTP is another's":     {alone, `["web","a.example"]`, []string{"a.example"}, true},
		"no host in common":                {https, `["web","b.example"]`, want.Hosts, true},
		"a VirtualService without hosts":   {plain, `[]`, want.Hosts, true},
		"a Gateway that is changed beyond": {`{"servers":"x"}`, `["web","a.example"]`, want.Hosts, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := func(kind, spec string) string {
				return `{"apiVersion":"networking.istio.io/v1","kind":"` + kind + `","metadata":{"namespace":"shop","name":"web"},"spec":` + spec + `}`
			}
			got := InForce(t.Context(), kubetest.API(t, map[string]string{
				api + "gateways/web":        object("Gateway", tc.gateway),
				api + "virtualservices/web": object("VirtualService", `{"hosts":`+tc.routed+`}`),
			}), want)
			require.Equal(t, release.App{Namespace: "shop", Name: "web", Hosts: tc.hosts, TLS: tc.tls}, got)
		})
	}
	require.Equal(t, want, InForce(t.Context(), kubetest.API(t, nil), want), "nothing can be read")
}
