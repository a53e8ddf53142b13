package envoy

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/release"
)

func TestParseClusters(t *testing.T) {
	t.Parallel()
	app := release.App{Namespace: "app-example", Name: "app-example"}
	name := func(subset string) string {
		return `{"cluster":{"name":"outbound|80|` + subset + `|app-example.app-example.svc.cluster.local"}}`
	}
	by := func(subset, object string) string {
		return strings.TrimSuffix(name(subset), "}}") +
			`,"metadata":{"filter_metadata":{"istio":{"config":"/apis/networking.istio.io/v1/namespaces/` + object + `"}}}}}`
	}
	dump := func(clusters ...string) string { return `{"configs":[` + strings.Join(clusters, ",") + `]}` }
	for what, tc := range map[string]struct {
		dump string
		want Clusters
	}{
		"nothing":     {`{}`, Clusters{}},
		"the Service": {dump(name("")), Clusters{Service: true}},
		"one subset":  {dump(name(""), name("stable")), Clusters{Service: true, Stable: true}},
		"both":        {dump(name("stable"), name("canary")), Clusters{Stable: true, Canary: true}},
		"made by the app's own": {
			dump(by("", "app-example/destination-rule/app-example"), name("stable"), name("canary")),
			Clusters{Service: true, Stable: true, Canary: true},
		},
		"made by another": {dump(by("", "default/destination-rule/other")), Clusters{Service: true, Foreign: "default/other"}},
		"others": {
			dump(`{"cluster":{"name":"outbound|80|stable|app-example.other.svc.cluster.local"}}`, `{"cluster":{"name":"BlackHoleCluster"}}`, name("beta")),
			Clusters{},
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			got, err := parseClusters(strings.NewReader(tc.dump), app)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
	_, err := parseClusters(strings.NewReader(`{"configs":[`), app)
	require.ErrorContains(t, err, "cluster dump")

	// What Envoy of a gateway said in a cluster.
	answer, err := os.ReadFile("testdata/clusters/gateway.json")
	require.NoError(t, err)
	got, err := parseClusters(bytes.NewReader(answer), app)
	require.NoError(t, err)
	require.Equal(t, Clusters{Service: true, Stable: true, Canary: true}, got)
}

func TestClustersSay(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]Clusters{
		"holds nothing of the app":              {},
		"holds stable alone":                    {Service: true, Stable: true},
		"holds canary alone":                    {Service: true, Canary: true},
		"holds both subsets":                    {Service: true, Stable: true, Canary: true},
		"holds the Service without its subsets": {Service: true},
		"holds the Service without its subsets (by DestinationRule default/other)": {Service: true, Foreign: "default/other"},
	} {
		require.Equal(t, want, c.String())
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	stable, both := release.Split{Stable: 100}, release.Split{Stable: 1, Canary: 1}
	require.Empty(t, Clusters{Stable: true}.Missing(stable))
	require.Equal(t, []string{"canary"}, Clusters{Stable: true}.Missing(stable, both))
	require.Equal(t, []string{"stable"}, Clusters{}.Missing(stable))
	require.Equal(t, []string{"stable", "canary"}, Clusters{}.Missing(both))
}

func TestClusterNames(t *testing.T) {
	t.Parallel()
	names := regexp.MustCompile("^(?:" + clusterNames(release.App{Namespace: "store", Name: "shop"}) + ")$")
	for name, want := range map[string]bool{
		"outbound|80||shop.store.svc.cluster.local":       true,
		"outbound|80|stable|shop.store.svc.cluster.local": true,
		"outbound|80|canary|shop.store.svc.corp":          true,
		"outbound|8080||shop.store.svc.cluster.local":     false,
		"outbound|80||shop.store2.svc.cluster.local":      false,
		"outbound|80||myshop.store.svc.cluster.local":     false,
		"inbound|80||": false,
	} {
		require.Equal(t, want, names.MatchString(name), name)
	}
}
