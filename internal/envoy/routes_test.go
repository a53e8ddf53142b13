package envoy

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/release"
)

func TestParseRoutes(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]Routes{
		"gateway-100-0":                  {Host: true, Splits: []release.Split{{Stable: 100, Canary: 0}}},
		"gateway-50-50":                  {Host: true, Splits: []release.Split{{Stable: 50, Canary: 50}}},
		"gateway-0-100":                  {Host: true, Splits: []release.Split{{Stable: 0, Canary: 100}}},
		"gateway-decimals":               {Host: true, Splits: []release.Split{{Stable: 9995, Canary: 5}}},
		"gateway-plain-cluster":          {Host: true, Splits: []release.Split{{Stable: 0, Canary: 1}}},
		"gateway-direct-response":        {Host: true, Odd: "answers by itself (redirect or direct response)"},
		"gateway-without-app":            {},
		"sidecar-50-50":                  {Host: true, Mesh: true, Splits: []release.Split{{Stable: 50, Canary: 50}}},
		"sidecar-mixed":                  {Host: true, Mesh: true, Splits: []release.Split{{Stable: 50, Canary: 50}, {Stable: 90, Canary: 10}}},
		"sidecar-without-virtualservice": {Mesh: true, Odd: "serves all pods alike, without a split"},
		"empty":                          {},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			dump, err := os.Open(filepath.Join("testdata", "routes", file+".json"))
			require.NoError(t, err)
			defer func() { _ = dump.Close() }()
			got, err := parseRoutes(dump, exampleApp)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

// route makes a dump with one virtual host.
func route(domains, action string) string {
	return `{"configs":[{"route_config":{"virtual_hosts":[{"domains":[` + domains + `],"routes":[` + action + `]}]}}]}`
}

func weighted(clusters string) string {
	return `{"route":{"weighted_clusters":{"clusters":[` + clusters + `]}}}`
}

func TestParseRoutesCorners(t *testing.T) {
	t.Parallel()
	const host = `"app-example.app-example.localhost"`
	const stable = `"outbound|80|stable|app-example.app-example.svc.cluster.local"`
	for name, tc := range map[string]struct {
		dump string
		want Routes
	}{
		"domain with port": {
			route(`"APP-example.app-example.localhost:80"`, weighted(`{"name":`+stable+`,"weight":7}`)),
			Routes{Host: true, Splits: []release.Split{{Stable: 7, Canary: 0}}},
		},
		"same short name in another namespace": {
			route(`"app-example","app-example.other.svc.cluster.local"`, weighted(`{"name":`+stable+`,"weight":7}`)),
			Routes{},
		},
		"a route of another VirtualService": {
			route(host, `{"metadata":{"filter_metadata":{"istio":{"config":"/apis/networking.istio.io/v1/namespaces/default/virtual-service/other"}}},`+
				strings.TrimPrefix(weighted(`{"name":`+stable+`,"weight":7}`), "{")),
			Routes{Host: true, Splits: []release.Split{{Stable: 7, Canary: 0}}, Foreign: "default/other", ForeignHosts: exampleApp.Hosts},
		},
		"a route of no VirtualService": {
			route(host, `{"metadata":{"filter_metadata":{"istio":{"config":"/apis/networking.istio.io/v1/namespaces/a/destination-rule/b"}}},`+
				strings.TrimPrefix(weighted(`{"name":`+stable+`,"weight":7}`), "{")),
			Routes{Host: true, Splits: []release.Split{{Stable: 7, Canary: 0}}},
		},
		"a redirect to HTTPS": {
			strings.Replace(route(host, weighted(`{"name":`+stable+`,"weight":7}`)), `"routes"`, `"require_tls":"ALL","routes"`, 1),
			Routes{Host: true, Odd: "redirects all requests to HTTPS", Splits: []release.Split{{Stable: 7, Canary: 0}}},
		},
		"no routes": {route(host, ""), Routes{Host: true, Odd: "answers without a route"}},
		"foreign cluster": {
			route(host, weighted(`{"name":`+stable+`,"weight":7},{"name":"outbound|80|stable|other.ns.svc.cluster.local","weight":1}`)),
			Routes{Host: true, Odd: `sends to "outbound|80|stable|other.ns.svc.cluster.local"`},
		},
		"unknown subset": {
			route(host, weighted(`{"name":"outbound|80|beta|app-example.app-example.svc.cluster.local","weight":1}`)),
			Routes{Host: true, Odd: `sends to "outbound|80|beta|app-example.app-example.svc.cluster.local"`},
		},
		"only zero weights": {
			route(host, weighted(`{"name":`+stable+`}`)),
			Routes{Host: true, Odd: "serves no subset (no weights)"},
		},
		"weight given twice": {
			route(host, weighted(`{"name":`+stable+`,"weight":1},{"name":`+stable+`,"weight":2}`)),
			Routes{Host: true, Splits: []release.Split{{Stable: 3, Canary: 0}}},
		},
		"same split in two routes": {
			route(host, weighted(`{"name":`+stable+`,"weight":1}`)+","+weighted(`{"name":`+stable+`,"weight":2}`)),
			Routes{Host: true, Splits: []release.Split{{Stable: 1, Canary: 0}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseRoutes(strings.NewReader(tc.dump), exampleApp)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestParseRoutesRefuses(t *testing.T) {
	t.Parallel()
	const cluster = `{"name":"outbound|80|stable|app-example.app-example.svc.cluster.local","weight":4294967295}`
	for name, tc := range map[string]struct{ dump, want string }{
		"nothing":          {"", "route dump: unexpected EOF"},
		"cut off":          {`{"configs":[`, "route dump: unexpected EOF"},
		"not json":         {"503 service unavailable", "route dump: "},
		"weight too large": {route(`"app-example.app-example"`, weighted(cluster)), "weights 4294967295/0 are out of range 0..2147483647"},
		"weight a string":  {route(`"app-example.app-example"`, weighted(`{"weight":"1"}`)), "route dump: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseRoutes(strings.NewReader(tc.dump), exampleApp)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestServedString(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]Routes{
		"has no route for the app":                                      {},
		"serves stable 100 / canary 0":                                  {Host: true, Splits: []release.Split{{Stable: 1, Canary: 0}}},
		"serves stable 50 / canary 50 and serves stable 90 / canary 10": {Host: true, Splits: []release.Split{{Stable: 1, Canary: 1}, {Stable: 90, Canary: 10}}},
		"serves all pods alike, without a split":                        {Mesh: true, Odd: "serves all pods alike, without a split"},
		"serves stable 50 / canary 50 and answers 503 for canary, since it holds stable alone": {
			Mesh: true, Splits: []release.Split{{Stable: 1, Canary: 1}}, Clusters: &Clusters{Stable: true},
		},
		"serves stable 100 / canary 0 and answers 503 for stable, since it holds the Service without its subsets (by DestinationRule default/other)": {
			Mesh: true, Splits: []release.Split{{Stable: 1}}, Clusters: &Clusters{Service: true, Foreign: "default/other"},
		},
		`serves stable 50 / canary 50 and sends to "BlackHoleCluster"`: {Mesh: true, Splits: []release.Split{{Stable: 1, Canary: 1}}, Odd: `sends to "BlackHoleCluster"`},
	} {
		require.Equal(t, want, s.String())
	}
}

func FuzzParseRoutes(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "routes", "*.json"))
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, file := range files {
		dump, err := os.ReadFile(file)
		require.NoError(f, err)
		var small bytes.Buffer
		require.NoError(f, json.Compact(&small, dump))
		f.Add(small.Bytes())
	}
	f.Add([]byte(route(`"app-example.app-example:*"`, weighted(`{"weight":4294967295},{"name":"|||"}`))))
	f.Fuzz(func(t *testing.T, dump []byte) {
		s, err := parseRoutes(bytes.NewReader(dump), exampleApp)
		if err != nil {
			require.Equal(t, Routes{}, s)
			return
		}
		for _, split := range s.Splits {
			require.True(t, split.Valid())
			require.LessOrEqual(t, split.Stable, int32(math.MaxInt32))
		}
		if len(s.Splits) > 0 || s.Odd != "" {
			require.True(t, s.Present(), "only a proxy that has the app can serve it")
		}
		if s.Present() && s.Odd == "" {
			require.NotEmpty(t, s.Splits)
			require.Equal(t, len(s.Splits) == 1, s.Holds(s.Splits[0]))
		}
		require.NotEmpty(t, s.String())
	})
}

// Each host has a virtual host of its own, and each of them counts.
func TestParseRoutesOfHosts(t *testing.T) {
	t.Parallel()
	const (
		a, b, c  = "a.example", "b.example", "c.example"
		http     = "http.8080"
		https    = "https.443.https.app-example.app-example"
		redirect = `"require_tls":"ALL",`
	)
	half, all := weighted(`{"name":"outbound|80|stable|app-example.app-example.svc.cluster.local","weight":1},`+
		`{"name":"outbound|80|canary|app-example.app-example.svc.cluster.local","weight":1}`), `{"route":{"cluster":"outbound|80|stable|app-example.app-example.svc.cluster.local"}}`
	others := `{"metadata":{"filter_metadata":{"istio":{"config":"/apis/networking.istio.io/v1/namespaces/default/virtual-service/other"}}},` + half[1:]
	config := func(name string, vhosts ...string) string {
		return `{"route_config":{"name":"` + name + `","virtual_hosts":[` + strings.Join(vhosts, ",") + `]}}`
	}
	vhost := func(domain, more, routes string) string {
		return `{"domains":["` + domain + `"],` + more + `"routes":[` + routes + `]}`
	}
	splits := []release.Split{{Stable: 1, Canary: 1}}
	for name, tc := range map[string]struct {
		tls     bool
		configs []string
		want    Routes
	}{
		"all":                     {false, []string{config(http, vhost(a, "", half), vhost(b, "", half), vhost(c, "", half))}, Routes{Host: true, Splits: splits}},
		"in one virtual host":     {false, []string{config(http, `{"domains":["a.example:80","b.example","c.example"],"routes":[`+half+`]}`)}, Routes{Host: true, Splits: splits}},
		"the new ones not yet":    {false, []string{config(http, vhost(a, "", half))}, Routes{Host: true, Lacks: []string{b, c}, Splits: splits}},
		"the first one not":       {false, []string{config(http, vhost(c, "", half), vhost(b, "", half))}, Routes{Host: true, Lacks: []string{a}, Splits: splits}},
		"none":                    {false, []string{config(http, vhost("d.example", "", half))}, Routes{}},
		"another split for one":   {false, []string{config(http, vhost(a, "", half), vhost(b, "", all), vhost(c, "", half))}, Routes{Host: true, Splits: append(splits, release.Split{Stable: 1})}},
		"one is redirected":       {false, []string{config(http, vhost(a, "", half), vhost(b, redirect, half), vhost(c, "", half))}, Routes{Host: true, Splits: splits, Odd: "redirects all requests to HTTPS"}},
		"others' routes for some": {false, []string{config(http, vhost(c, "", others), vhost(b, "", half), vhost(a, "", others))}, Routes{Host: true, Splits: splits, Foreign: "default/other", ForeignHosts: []string{a, c}}},
		"HTTPS": {true, []string{
			config(http, vhost(a, redirect, ""), vhost(b, redirect, ""), vhost(c, redirect, "")),
			config(https, vhost(a, "", half), vhost(b, "", half), vhost(c, "", half)),
		}, Routes{Host: true, Splits: splits}},
		"HTTPS not yet for one": {true, []string{
			config(http, vhost(a, redirect, ""), vhost(b, redirect, ""), vhost(c, redirect, "")),
			config(https, vhost(a, "", half), vhost(b, "", half)),
		}, Routes{Host: true, Lacks: []string{c}, Splits: splits}},
		"no redirect yet for one": {true, []string{
			config(http, vhost(a, redirect, ""), vhost(b, redirect, ""), vhost(c, "", half)),
			config(https, vhost(a, "", half), vhost(b, "", half), vhost(c, "", half)),
		}, Routes{Host: true, Splits: splits, Odd: "serves HTTP without the redirect to HTTPS"}},
		"nothing on HTTP yet for some": {true, []string{
			config(http, vhost(a, redirect, "")),
			config(https, vhost(a, "", half), vhost(b, "", half), vhost(c, "", half)),
		}, Routes{Host: true, Splits: splits, Odd: "does not redirect HTTP to HTTPS for b.example, c.example"}},
		"nothing on HTTP": {true, []string{config(https, vhost(a, "", half), vhost(b, "", half), vhost(c, "", half))}, Routes{Host: true, Splits: splits}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := release.App{Namespace: "app-example", Name: "app-example", Hosts: []string{a, b, c}, TLS: tc.tls}
			got, err := parseRoutes(strings.NewReader(`{"configs":[`+strings.Join(tc.configs, ",")+`]}`), app)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

// A host with a certificate is served by the routes for HTTPS; those for HTTP redirect there.
func TestParseRoutesWithTLS(t *testing.T) {
	t.Parallel()
	app := exampleApp
	app.TLS = true
	const routes = `"routes":[{"route":{"cluster":"outbound|80|stable|app-example.app-example.svc.cluster.local"}}]`
	config := func(name, more string) string {
		return `{"route_config":{"name":"` + name + `","virtual_hosts":[{"domains":["app-example.app-example.localhost"],` + more + routes + `}]}}`
	}
	redirect, https := config("http.8080", `"require_tls":"ALL",`), config("https.443.https.app-example.app-example", "")
	byRoute := func(routes string) string {
		return `{"route_config":{"name":"http.8080","virtual_hosts":[{"domains":["app-example.app-example.localhost"],"routes":[` + routes + `]}]}}`
	}
	const toHTTPS, toHTTP = `{"redirect":{"scheme_redirect":"https"}}`, `{"redirect":{"host_redirect":"elsewhere.example"}}`
	stable := []release.Split{{Stable: 1}}
	open := Routes{Host: true, Splits: stable, Odd: "serves HTTP without the redirect to HTTPS"}
	for name, tc := range map[string]struct {
		configs []string
		want    Routes
	}{
		"both":              {[]string{redirect, https}, Routes{Host: true, Splits: stable}},
		"by a route":        {[]string{byRoute(toHTTPS), https}, Routes{Host: true, Splits: stable}},
		"by one of two":     {[]string{byRoute(toHTTPS + "," + toHTTP), https}, open},
		"without a route":   {[]string{byRoute(""), https}, open},
		"the redirect only": {[]string{redirect}, Routes{}},
		"no redirect yet":   {[]string{config("http.8080", ""), https}, open},
		"a sidecar":         {[]string{config("80", "")}, Routes{Host: true, Splits: stable}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseRoutes(strings.NewReader(`{"configs":[`+strings.Join(tc.configs, ",")+`]}`), app)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}
