package converge

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/labels"

	"canary/internal/envoy"
	"canary/internal/kubetest"
	"canary/internal/mesh"
	"canary/internal/release"
)

const (
	redirects = `{"kind":"Gateway","apiVersion":"networking.istio.io/v1","metadata":{"namespace":"default","name":"other"},"spec":{
		"selector":{"istio":"ingress"},"servers":[{"port":{"number":80,"protocol":"HTTP"},
		"hosts":["app-example.app-example.localhost"],"tls":{"httpsRedirect":true}}]}}`
	hides = `{"kind":"Sidecar","apiVersion":"networking.istio.io/v1","metadata":{"namespace":"mesh","name":"narrow"},
		"spec":{"egress":[{"hosts":["istio-system/*"]}]}}`
)

// readOthers gives the objects of others in a cluster that has these.
func readOthers(t *testing.T) mesh.Others {
	t.Helper()
	const api, list = "/apis/networking.istio.io/v1/", `{"kind":"List","apiVersion":"v1","items":[`
	return mesh.ReadOthers(t.Context(), kubetest.API(t, map[string]string{
		api + "gateways": list + redirects + `]}`,
		api + "sidecars": list + hides + `]}`,
	}))
}

// shutGateway is a gateway whose pod the Gateway of somebody else selects as well.
func shutGateway() envoy.Proxy {
	p := gateway("g")
	p.Labels = labels.Set{"istio": "ingress"}
	return p
}

// serving is the wanted split, with more to be said of it.
func serving(change func(*envoy.Routes)) *envoy.Routes {
	r := &envoy.Routes{Host: true, Splits: []release.Split{after}, Clusters: &envoy.Clusters{Service: true, Stable: true, Canary: true}}
	change(r)
	return r
}

// What an object of somebody else is the cause of ends the wait as soon as that is sure, and the object is named.
func TestForeignObjects(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		envoys []fakeEnvoy
		after  time.Duration
		asked  int // how often the objects of others were read
		err    string
	}{
		"nothing is wrong": {envoys: []fakeEnvoy{{Proxy: gateway("g"), serves: serving(func(*envoy.Routes) {})}}},
		"another VirtualService": {
			envoys: []fakeEnvoy{{Proxy: gateway("g"), serves: serving(func(r *envoy.Routes) {
				r.Splits, r.Foreign, r.ForeignHosts = []release.Split{before, after}, "default/other", exampleApp.Hosts
			})}},
			after: eager,
			err: "the split stable 50 / canary 50 is written, but after 2s 1 of 1 proxies do not serve it:\n" +
				"  mesh/g serves stable 100 / canary 0 and serves stable 50 / canary 50 (with a route of VirtualService default/other)\n" +
				"the next `pulumi up` checks again, even without a change; VirtualService default/other takes requests for the app's host app-example.app-example.localhost: " +
				"take the host out of it, or remove it",
		},
		"another DestinationRule": {
			envoys: []fakeEnvoy{
				{Proxy: gateway("g"), serves: serving(func(*envoy.Routes) {})},
				{Proxy: sidecar("a"), serves: serving(func(r *envoy.Routes) { *r.Clusters = envoy.Clusters{Service: true, Foreign: "mesh/other"} })},
				{Proxy: sidecar("b"), serves: serving(func(r *envoy.Routes) { *r.Clusters = envoy.Clusters{Service: true, Foreign: "mesh/other"} })},
			},
			after: eager,
			err: "the split stable 50 / canary 50 is written, but after 2s 2 of 3 proxies do not serve it:\n" +
				"  mesh/a serves stable 50 / canary 50 and answers 503 for stable and canary, since it holds the Service without its subsets (by DestinationRule mesh/other)\n" +
				"  mesh/b serves stable 50 / canary 50 and answers 503 for stable and canary, since it holds the Service without its subsets (by DestinationRule mesh/other)\n" +
				"the next `pulumi up` checks again, even without a change; DestinationRule mesh/other stands in place of the app's and has no subset stable or canary: " +
				"add what is missing, or remove it",
		},
		"another DestinationRule with both subsets": {
			envoys: []fakeEnvoy{{Proxy: gateway("g"), serves: serving(func(r *envoy.Routes) { r.Clusters.Foreign = "default/other" })}},
		},
		"the app's own DestinationRule": {
			envoys: []fakeEnvoy{{Proxy: gateway("g"), serves: serving(func(r *envoy.Routes) { r.Clusters.Canary = false })}},
			after:  10 * time.Second,
			err: "the split stable 50 / canary 50 is written, but after 10s 1 of 1 proxies do not serve it:\n" +
				"  mesh/g serves stable 50 / canary 50 and answers 503 for canary, since it holds stable alone\n" +
				"the next `pulumi up` checks again, even without a change; if somebody changed the app's DestinationRule, `pulumi up --refresh` writes it again",
		},
		"another Gateway": {
			envoys: []fakeEnvoy{{Proxy: shutGateway(), serves: serving(func(r *envoy.Routes) { r.Odd = "redirects all requests to HTTPS" })}},
			after:  eager,
			asked:  1,
			err: "the split stable 50 / canary 50 is written, but after 2s 1 of 1 proxies do not serve it:\n" +
				"  mesh/g serves stable 50 / canary 50 and redirects all requests to HTTPS\n" +
				"the next `pulumi up` checks again, even without a change; Gateway default/other redirects requests for the app's host app-example.app-example.localhost to HTTPS: " +
				"take the host out of it, or remove it",
		},
		"a gateway without one of the hosts": {
			envoys: []fakeEnvoy{
				{Proxy: gateway("g"), serves: serving(func(r *envoy.Routes) { r.Lacks = []string{"a.example", "b.example"} })},
				{Proxy: sidecar("a"), serves: serving(func(r *envoy.Routes) { r.Lacks = []string{"a.example"} })}, // its scope may leave it out
			},
			after: 10 * time.Second,
			asked: 1,
			err: "the split stable 50 / canary 50 is written, but after 10s 1 of 2 proxies do not serve it:\n" +
				"  mesh/g serves stable 50 / canary 50 and has no route for a.example, b.example\n" +
				"the next `pulumi up` checks again, even without a change; a proxy that lags has usually lost its connection to istiod (port 15012)",
		},
		"a gateway without a route, and no such object": {
			envoys: []fakeEnvoy{{Proxy: gateway("g"), notApp: true}},
			after:  10 * time.Second,
			asked:  1,
			err: "the split stable 50 / canary 50 is written, but after 10s 1 of 1 proxies do not serve it:\n" +
				"  mesh/g has no route for the app\n" +
				"the next `pulumi up` checks again, even without a change; a proxy that lags has usually lost its connection to istiod (port 15012)",
		},
		"a Sidecar is no fault of the release": {
			envoys: []fakeEnvoy{{Proxy: gateway("g")}, {Proxy: envoy.Proxy{Pod: "caller", Ready: true, Sidecar: true}, notApp: true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			others := readOthers(t)
			synctest.Test(t, func(t *testing.T) {
				fleet := newFakeFleet(tc.envoys...)
				fleet.others = others
				start := time.Now()
				_, err := newConvergence(fleet, exampleApp, after, nil).wait(t.Context(), 10*time.Second)
				require.InDelta(t, tc.after, time.Since(start), float64(longPause))
				require.Equal(t, tc.asked, fleet.asked)
				if tc.err == "" {
					require.NoError(t, err)
					return
				}
				require.EqualError(t, err, tc.err)
			})
		})
	}
}

// What is seen of a proxy names the object too, and a Sidecar that hides the app.
func TestViewOfForeignObjects(t *testing.T) {
	t.Parallel()
	others := readOthers(t)
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFleet(
			fakeEnvoy{Proxy: shutGateway(), serves: serving(func(r *envoy.Routes) { r.Odd = "redirects all requests to HTTPS" })},
			fakeEnvoy{Proxy: envoy.Proxy{Pod: "caller", Ready: true, Sidecar: true}, notApp: true},
			fakeEnvoy{Proxy: sidecar("egress"), notApp: true},
		)
		f.others = others
		v := &View{fleet: f, app: exampleApp}
		found, err := v.Proxies(t.Context(), after)
		require.NoError(t, err)
		require.Equal(t, []ProxyStatus{
			{
				Namespace: "mesh", Pod: "g", Gateway: true, Ready: true, Present: true, Splits: []release.Split{after}, Lags: true,
				Says:    "serves stable 50 / canary 50 and redirects all requests to HTTPS",
				Foreign: "Gateway default/other redirects requests for the app's host app-example.app-example.localhost to HTTPS: take the host out of it, or remove it",
			},
			{
				Namespace: "mesh", Pod: "caller", Ready: true,
				Says: "has no route for the app: Sidecar mesh/narrow leaves the app out, so that its requests to the app are not split",
			},
			{Namespace: "mesh", Pod: "egress", Ready: true, Says: "has no route for the app"},
		}, found)

		f.others = mesh.Others{} // the right to read them is missing
		found, err = v.Proxies(t.Context(), after)
		require.NoError(t, err)
		require.Empty(t, found[0].Foreign)
		require.Equal(t, "has no route for the app", found[1].Says)
	})
}
