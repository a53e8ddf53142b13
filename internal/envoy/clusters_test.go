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
	dump := func(clusters ...string) string { return `{"configs":[` + strings.Join(clusters, ",") + `]}` }
	for what, tc := range map[string]struct {
		dump string
		want Clusters
	}{
		"nothing":     {`{}`, Clusters{}},
		"the Service": {dump(name("")), Clusters{Service: true}},
		"one subset":  {dump(name(""), name("stable")), Clusters{Service: true, Stable: true}},
		"both":        {dump(name("stable"), name("canary")), Clusters{Stable: true, Canary: true}},
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
