package converge

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/envoy"
	"canary/internal/kube"
)

// fakeClusters are proxies that take up clusters as time passes.
type fakeClusters struct {
	start   time.Time
	proxies []clusterProxy
	listErr error
}

type clusterProxy struct {
	envoy.Proxy
	service, both time.Duration // when it holds them; below 0: never
	foreign       string        // the DestinationRule of somebody else that it uses
	err           error
}

func (f *fakeClusters) ListAny(context.Context) ([]envoy.Proxy, error) {
	var proxies []envoy.Proxy
	for i := range f.proxies {
		p := f.proxies[i].Proxy
		p.Namespace, p.UID = "mesh", p.Pod
		proxies = append(proxies, p)
	}
	return proxies, f.listErr
}

func (f *fakeClusters) Clusters(_ context.Context, p envoy.Proxy) (envoy.Clusters, error) {
	since := time.Since(f.start)
	for _, c := range f.proxies {
		if c.Pod == p.Pod {
			both := c.both >= 0 && since >= c.both
			return envoy.Clusters{Service: both || (c.service >= 0 && since >= c.service), Stable: both, Canary: both, Foreign: c.foreign}, c.err
		}
	}
	return envoy.Clusters{}, errors.New("gone")
}

func TestWarming(t *testing.T) {
	t.Parallel()
	ready := func(name string) envoy.Proxy { return envoy.Proxy{Pod: name, Ready: true} }
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
			source: fakeClusters{proxies: []clusterProxy{{Proxy: ready("a")}, {Proxy: ready("b")}}},
		},
		{
			name:   "all of them a little later",
			source: fakeClusters{proxies: []clusterProxy{{Proxy: ready("a")}, {Proxy: ready("b"), both: 300 * time.Millisecond}}},
			least:  300 * time.Millisecond, most: 600 * time.Millisecond,
			reports: []string{"1 of 2 proxies hold both subsets"},
		},
		{
			name:   "out of scope",
			source: fakeClusters{proxies: []clusterProxy{{Proxy: ready("a")}, {Proxy: ready("b"), service: never, both: never}}},
			least:  scopeGrace, most: scopeGrace + time.Second,
			reports: []string{"1 of 2 proxies hold both subsets"},
		},
		{
			name: "starting and ending ones do not count",
			source: fakeClusters{proxies: []clusterProxy{
				{Proxy: ready("a")}, {Proxy: envoy.Proxy{Pod: "b"}, both: never}, {Proxy: envoy.Proxy{Pod: "c", Ready: true, Ending: true}, both: never},
			}},
		},
		{
			name:   "the Service alone is waited for",
			source: fakeClusters{proxies: []clusterProxy{{Proxy: ready("a")}, {Proxy: ready("b"), both: never}, {Proxy: ready("c"), err: errors.New("no answer")}}},
			least:  10 * time.Second, most: 11 * time.Second, isLag: true,
			err: "after 10s not every proxy holds both subsets of the DestinationRule:\n" +
				"  mesh/b holds the Service without its subsets\n  mesh/c cannot be read: no answer",
			reports: []string{"1 of 3 proxies hold both subsets"},
		},
		{
			name: "another DestinationRule",
			source: fakeClusters{proxies: []clusterProxy{
				{Proxy: ready("a"), foreign: "default/other"},
				{Proxy: ready("b"), both: never, foreign: "mesh/other"},
			}},
			least: eager, most: eager + longPause, isLag: true,
			err: "after 2s not every proxy holds both subsets of the DestinationRule:\n" +
				"  mesh/b holds the Service without its subsets (by DestinationRule mesh/other)\n" +
				"DestinationRule mesh/other stands in place of the app's and has no subset stable or canary: add what is missing, or remove it",
			reports: []string{"1 of 2 proxies hold both subsets"},
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
			source: fakeClusters{proxies: []clusterProxy{{Proxy: ready("a"), service: 5 * time.Second, both: 6 * time.Second}}},
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
		require.GreaterOrEqual(t, time.Since(start), kube.OutageLimit)
	})
}
