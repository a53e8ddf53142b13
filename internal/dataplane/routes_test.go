package dataplane

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var exampleApp = App{Namespace: "app-example", Name: "app-example", Host: "app-example.app-example.localhost"}

func TestParseRoutes(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]served{
		"gateway-100-0":                  {host: true, splits: []Split{{100, 0}}},
		"gateway-50-50":                  {host: true, splits: []Split{{50, 50}}},
		"gateway-0-100":                  {host: true, splits: []Split{{0, 100}}},
		"gateway-decimals":               {host: true, splits: []Split{{9995, 5}}},
		"gateway-plain-cluster":          {host: true, splits: []Split{{0, 1}}},
		"gateway-direct-response":        {host: true, odd: "answers by itself (redirect or direct response)"},
		"gateway-without-app":            {},
		"sidecar-50-50":                  {host: true, mesh: true, splits: []Split{{50, 50}}},
		"sidecar-mixed":                  {host: true, mesh: true, splits: []Split{{50, 50}, {90, 10}}},
		"sidecar-without-virtualservice": {mesh: true, odd: "serves all pods alike, without a split"},
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
		want served
	}{
		"domain with port": {
			route(`"APP-example.app-example.localhost:80"`, weighted(`{"name":`+stable+`,"weight":7}`)),
			served{host: true, splits: []Split{{7, 0}}},
		},
		"same short name in another namespace": {
			route(`"app-example","app-example.other.svc.cluster.local"`, weighted(`{"name":`+stable+`,"weight":7}`)),
			served{},
		},
		"a route of another VirtualService": {
			route(host, `{"metadata":{"filter_metadata":{"istio":{"config":"/apis/networking.istio.io/v1/namespaces/default/virtual-service/other"}}},`+
				strings.TrimPrefix(weighted(`{"name":`+stable+`,"weight":7}`), "{")),
			served{host: true, splits: []Split{{7, 0}}, foreign: "default/other"},
		},
		"a route of no VirtualService": {
			route(host, `{"metadata":{"filter_metadata":{"istio":{"config":"/apis/networking.istio.io/v1/namespaces/a/destination-rule/b"}}},`+
				strings.TrimPrefix(weighted(`{"name":`+stable+`,"weight":7}`), "{")),
			served{host: true, splits: []Split{{7, 0}}},
		},
		"no routes": {route(host, ""), served{host: true, odd: "answers without a route"}},
		"foreign cluster": {
			route(host, weighted(`{"name":`+stable+`,"weight":7},{"name":"outbound|80|stable|other.ns.svc.cluster.local","weight":1}`)),
			served{host: true, odd: `sends to "outbound|80|stable|other.ns.svc.cluster.local"`},
		},
		"unknown subset": {
			route(host, weighted(`{"name":"outbound|80|beta|app-example.app-example.svc.cluster.local","weight":1}`)),
			served{host: true, odd: `sends to "outbound|80|beta|app-example.app-example.svc.cluster.local"`},
		},
		"only zero weights": {
			route(host, weighted(`{"name":`+stable+`}`)),
			served{host: true, odd: "serves no subset (no weights)"},
		},
		"weight given twice": {
			route(host, weighted(`{"name":`+stable+`,"weight":1},{"name":`+stable+`,"weight":2}`)),
			served{host: true, splits: []Split{{3, 0}}},
		},
		"same split in two routes": {
			route(host, weighted(`{"name":`+stable+`,"weight":1}`)+","+weighted(`{"name":`+stable+`,"weight":2}`)),
			served{host: true, splits: []Split{{1, 0}}},
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
	for want, s := range map[string]served{
		"has no route for the app":                                      {},
		"serves stable 100 / canary 0":                                  {host: true, splits: []Split{{1, 0}}},
		"serves stable 50 / canary 50 and serves stable 90 / canary 10": {host: true, splits: []Split{{1, 1}, {90, 10}}},
		"serves all pods alike, without a split":                        {mesh: true, odd: "serves all pods alike, without a split"},
		`serves stable 50 / canary 50 and sends to "BlackHoleCluster"`:  {mesh: true, splits: []Split{{1, 1}}, odd: `sends to "BlackHoleCluster"`},
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
			require.Equal(t, served{}, s)
			return
		}
		for _, split := range s.splits {
			require.True(t, split.valid())
			require.LessOrEqual(t, split.Stable, int32(math.MaxInt32))
		}
		if len(s.splits) > 0 || s.odd != "" {
			require.True(t, s.present(), "only a proxy that has the app can serve it")
		}
		if s.present() && s.odd == "" {
			require.NotEmpty(t, s.splits)
			require.Equal(t, len(s.splits) == 1, s.holds(s.splits[0]))
		}
		require.NotEmpty(t, s.String())
	})
}
