package dataplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseClusters(t *testing.T) {
	t.Parallel()
	app := App{Namespace: "app-example", Name: "app-example"}
	name := func(subset string) string {
		return `{"cluster":{"name":"outbound|80|` + subset + `|app-example.app-example.svc.cluster.local"}}`
	}
	dump := func(clusters ...string) string { return `{"configs":[` + strings.Join(clusters, ",") + `]}` }
	for what, tc := range map[string]struct {
		dump string
		want held
	}{
		"nothing":     {`{}`, held{}},
		"the Service": {dump(name("")), held{service: true}},
		"one subset":  {dump(name(""), name("stable")), held{service: true, stable: true}},
		"both":        {dump(name("stable"), name("canary")), held{stable: true, canary: true}},
		"others": {
			dump(`{"cluster":{"name":"outbound|80|stable|app-example.other.svc.cluster.local"}}`, `{"cluster":{"name":"BlackHoleCluster"}}`, name("beta")),
			held{},
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
	require.Equal(t, held{service: true, stable: true, canary: true}, got)
}

func TestClusterNames(t *testing.T) {
	t.Parallel()
	names := regexp.MustCompile("^(?:" + App{Namespace: "store", Name: "shop"}.clusterNames() + ")$")
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

// fakeClusters are proxies that take up clusters as time passes.
type fakeClusters struct {
	start   time.Time
	proxies []clusterProxy
	listErr error
}

type clusterProxy struct {
	proxy
	service, both time.Duration // when it holds them; below 0: never
	err           error
}

func (f *fakeClusters) list(context.Context) ([]proxy, error) {
	var proxies []proxy
	for i := range f.proxies {
		p := f.proxies[i].proxy
		p.namespace, p.uid = "mesh", p.pod
		proxies = append(proxies, p)
	}
	return proxies, f.listErr
}

func (f *fakeClusters) held(_ context.Context, p proxy) (held, error) {
	since := time.Since(f.start)
	for _, c := range f.proxies {
		if c.pod == p.pod {
			both := c.both >= 0 && since >= c.both
			return held{service: both || (c.service >= 0 && since >= c.service), stable: both, canary: both}, c.err
		}
	}
	return held{}, errors.New("gone")
}

func TestWarming(t *testing.T) {
	t.Parallel()
	ready := func(name string) proxy { return proxy{pod: name, ready: true} }
	const never = -1
	cases := []struct {
		name    string
		source  fakeClusters
		least   time.Duration
		most    time.Duration
		err     string
		isLag   bool
		reports []string
	}{
		{
			name:   "warm already",
			source: fakeClusters{proxies: []clusterProxy{{proxy: ready("a")}, {proxy: ready("b")}}},
		},
		{
			name:   "all of them a little later",
			source: fakeClusters{proxies: []clusterProxy{{proxy: ready("a")}, {proxy: ready("b"), both: 300 * time.Millisecond}}},
			least:  300 * time.Millisecond, most: 600 * time.Millisecond,
			reports: []string{"1 of 2 proxies hold both subsets"},
		},
		{
			name:   "out of scope",
			source: fakeClusters{proxies: []clusterProxy{{proxy: ready("a")}, {proxy: ready("b"), service: never, both: never}}},
			least:  scopeGrace, most: scopeGrace + time.Second,
			reports: []string{"1 of 2 proxies hold both subsets"},
		},
		{
			name: "starting and ending ones do not count",
			source: fakeClusters{proxies: []clusterProxy{
				{proxy: ready("a")}, {proxy: proxy{pod: "b"}, both: never}, {proxy: proxy{pod: "c", ready: true, ending: true}, both: never},
			}},
		},
		{
			name:   "the Service alone is waited for",
			source: fakeClusters{proxies: []clusterProxy{{proxy: ready("a")}, {proxy: ready("b"), both: never}, {proxy: ready("c"), err: errors.New("no answer")}}},
			least:  10 * time.Second, most: 11 * time.Second, isLag: true,
			err: "after 10s not every proxy holds both subsets of the DestinationRule:\n" +
				"  mesh/b holds the Service without its subsets\n  mesh/c cannot be read: no answer",
			reports: []string{"1 of 3 proxies hold both subsets"},
		},
		{
			name:   "no proxy at all",
			source: fakeClusters{},
			least:  10 * time.Second, most: 11 * time.Second, isLag: true,
			err:     "no proxy holds both subsets of the DestinationRule after 10s",
			reports: []string{"0 of 0 proxies hold both subsets"},
		},
		{
			name:   "nobody holds anything yet",
			source: fakeClusters{proxies: []clusterProxy{{proxy: ready("a"), service: 5 * time.Second, both: 6 * time.Second}}},
			least:  6 * time.Second, most: 7 * time.Second,
			reports: []string{"0 of 1 proxies hold both subsets"},
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tc.source.start = time.Now()
				var reports []string
				err := newWarming(&tc.source, func(line string) { reports = append(reports, line) }).wait(t.Context(), 10*time.Second)
				took := time.Since(tc.source.start)
				require.GreaterOrEqual(t, took, tc.least)
				require.LessOrEqual(t, took, max(tc.most, tc.least))
				require.Equal(t, tc.reports, reports)
				if tc.err == "" {
					require.NoError(t, err)
					return
				}
				require.EqualError(t, err, tc.err)
				require.Equal(t, tc.isLag, errors.As(err, new(*ClusterLagError)))
			})
		})
	}
}

func TestWarmingEndsEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		interrupted := errors.New("interrupted")
		time.AfterFunc(time.Second, func() { cancel(interrupted) })
		err := newWarming(&fakeClusters{}, nil).wait(ctx, time.Minute)
		require.ErrorIs(t, err, interrupted)
	})
	synctest.Test(t, func(t *testing.T) {
		start, down := time.Now(), fmt.Errorf("cluster not reachable")
		err := newWarming(&fakeClusters{listErr: down}, nil).wait(t.Context(), time.Minute)
		require.ErrorIs(t, err, down)
		require.GreaterOrEqual(t, time.Since(start), outageLimit)
	})
}
