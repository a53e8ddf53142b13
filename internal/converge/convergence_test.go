package converge

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"canary/internal/envoy"
	"canary/internal/kube"
	"canary/internal/kubetest"
	"canary/internal/release"
)

var (
	before = release.Split{Stable: 100, Canary: 0}
	after  = release.Split{Stable: 50, Canary: 50}
)

func TestConvergence(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		envoys  []fakeEnvoy
		want    Converged
		within  time.Duration // that the wait may take beyond the last proxy
		reports []string
	}{
		"at once": {
			envoys:  []fakeEnvoy{{Proxy: gateway("g")}, {Proxy: sidecar("a")}},
			want:    Converged{Proxies: 2, Elapsed: 5 * time.Millisecond},
			reports: []string{"2 of 2 proxies serve 50/50"},
		},
		"one after another": {
			envoys: []fakeEnvoy{
				{Proxy: gateway("g"), converges: 100 * time.Millisecond},
				{Proxy: sidecar("a"), converges: 2 * time.Second},
				{Proxy: sidecar("b"), converges: 10 * time.Second},
			},
			want:    Converged{Proxies: 3, Elapsed: 10 * time.Second},
			within:  longPause + 10*time.Millisecond,
			reports: []string{"0 of 3 proxies serve 50/50", "1 of 3 proxies serve 50/50", "2 of 3 proxies serve 50/50", "3 of 3 proxies serve 50/50"},
		},
		"proxies that do not serve the app are not counted": {
			envoys:  []fakeEnvoy{{Proxy: gateway("g")}, {Proxy: sidecar("egress"), notApp: true}},
			want:    Converged{Proxies: 1, Elapsed: 5 * time.Millisecond},
			reports: []string{"1 of 1 proxies serve 50/50"},
		},
		"a lagging pod that ends is not waited for": {
			envoys:  []fakeEnvoy{{Proxy: gateway("g")}, {Proxy: sidecar("a"), converges: notAtAll, to: 3 * time.Second}},
			want:    Converged{Proxies: 1, Elapsed: 3 * time.Second},
			within:  time.Second,
			reports: []string{"1 of 2 proxies serve 50/50", "1 of 1 proxies serve 50/50"},
		},
		"a new pod is waited for": {
			envoys: []fakeEnvoy{
				{Proxy: gateway("g"), converges: 3 * time.Second},
				{Proxy: sidecar("a"), from: 1500 * time.Millisecond, converges: 5 * time.Second},
			},
			want:    Converged{Proxies: 2, Elapsed: 5 * time.Second},
			within:  longPause + 10*time.Millisecond,
			reports: []string{"0 of 1 proxies serve 50/50", "0 of 2 proxies serve 50/50", "1 of 2 proxies serve 50/50", "2 of 2 proxies serve 50/50"},
		},
		"an ending pod counts while it can be read": {
			envoys: []fakeEnvoy{
				{Proxy: gateway("g")},
				{Proxy: envoy.Proxy{Pod: "old", Gateway: true, Ready: true, Ending: true}, converges: 2 * time.Second},
			},
			want:    Converged{Proxies: 2, Elapsed: 2 * time.Second},
			within:  longPause + 10*time.Millisecond,
			reports: []string{"1 of 2 proxies serve 50/50", "2 of 2 proxies serve 50/50"},
		},
		"an ending pod that cannot be read is over": {
			envoys:  []fakeEnvoy{{Proxy: gateway("g")}, {Proxy: envoy.Proxy{Pod: "old", Ready: true, Ending: true}, err: errors.New("refused")}},
			want:    Converged{Proxies: 1, Elapsed: 5 * time.Millisecond},
			reports: []string{"1 of 1 proxies serve 50/50"},
		},
		"a starting proxy is not waited for": {
			envoys: []fakeEnvoy{
				{Proxy: gateway("g")},
				{Proxy: envoy.Proxy{Pod: "new"}, err: errors.New("refused")},
				{Proxy: envoy.Proxy{Pod: "new-gateway", Gateway: true}, notApp: true},
			},
			want:    Converged{Proxies: 1, Elapsed: 5 * time.Millisecond},
			reports: []string{"1 of 1 proxies serve 50/50"},
		},
		"a proxy that is not ready but serves is waited for": {
			envoys:  []fakeEnvoy{{Proxy: gateway("g")}, {Proxy: envoy.Proxy{Pod: "sick"}, converges: time.Second}},
			want:    Converged{Proxies: 2, Elapsed: time.Second},
			within:  longPause + 10*time.Millisecond,
			reports: []string{"1 of 2 proxies serve 50/50", "2 of 2 proxies serve 50/50"},
		},
		"a gateway that starts later is waited for": {
			envoys:  []fakeEnvoy{{Proxy: sidecar("a")}, {Proxy: gateway("g"), from: 5 * time.Second}},
			want:    Converged{Proxies: 2, Elapsed: 5 * time.Second},
			within:  relistAfter + longPause,
			reports: []string{"1 of 1 proxies serve 50/50", "2 of 2 proxies serve 50/50"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var reports []string
				fleet := newFakeFleet(tc.envoys...)
				got, err := newConvergence(fleet, exampleApp, after, func(line string) { reports = append(reports, line) }).wait(t.Context(), time.Minute)
				require.NoError(t, err)
				require.Equal(t, tc.want.Proxies, got.Proxies)
				require.GreaterOrEqual(t, got.Elapsed, tc.want.Elapsed)
				require.LessOrEqual(t, got.Elapsed, tc.want.Elapsed+tc.within)
				require.Equal(t, tc.reports, reports)
			})
		})
	}
}

func TestConvergenceTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fleet := newFakeFleet(
			fakeEnvoy{Proxy: gateway("g1")},
			fakeEnvoy{Proxy: gateway("g2"), converges: notAtAll},
			fakeEnvoy{Proxy: gateway("g3"), notApp: true},
			fakeEnvoy{Proxy: sidecar("a"), err: errors.New("its Envoy does not answer in time")},
			fakeEnvoy{Proxy: envoy.Proxy{Pod: "b", Ready: true, Ending: true}, converges: notAtAll},
			fakeEnvoy{Proxy: sidecar("hangs"), hangs: true},
		)
		start := time.Now()
		_, err := newConvergence(fleet, exampleApp, after, nil).wait(t.Context(), 10*time.Second)
		require.Equal(t, 10*time.Second, time.Since(start), "the timeout is kept even while a read hangs")
		var lag *LagError
		require.ErrorAs(t, err, &lag)
		require.Equal(t, 1, lag.Serving)
		require.EqualError(t, err, `the split stable 50 / canary 50 is written, but after 10s 5 of 6 proxies do not serve it:
  mesh/a cannot be read: its Envoy does not answer in time
  mesh/b serves stable 100 / canary 0 (its pod is ending)
  mesh/g2 serves stable 100 / canary 0
  mesh/g3 has no route for the app
  mesh/hangs cannot be read: context deadline exceeded
the next `+"`pulumi up`"+` checks again, even without a change; a proxy that lags has usually lost its connection to istiod (port 15012)`)
	})
}

func TestConvergenceWithoutGateway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, err := newConvergence(newFakeFleet(fakeEnvoy{Proxy: sidecar("a")}), exampleApp, after, nil).wait(t.Context(), 10*time.Second)
		require.ErrorContains(t, err, "no running pod that the Gateway selects serves its host")
	})
}

// A gateway's pod that is ending, or not ready yet, holds the split and is no way in.
func TestWayIn(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*envoy.Proxy){
		"ending":    func(p *envoy.Proxy) { p.Ending = true },
		"not ready": func(p *envoy.Proxy) { p.Ready = false },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := gateway("g")
				change(&g)
				_, err := newConvergence(newFakeFleet(fakeEnvoy{Proxy: g}), exampleApp, after, nil).wait(t.Context(), time.Minute)
				var lag *LagError
				require.ErrorAs(t, err, &lag)
				require.True(t, lag.NoGateway)
				require.NotContains(t, err.Error(), "15012")
			})
		})
	}
}

// A gateway that starts is given more time than a proxy that serves.
func TestStartingGateway(t *testing.T) {
	t.Parallel()
	starting := gateway("g")
	starting.Ready = false
	t.Run("becomes ready", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			fleet := newFakeFleet(fakeEnvoy{Proxy: starting, to: 2 * time.Minute}, fakeEnvoy{Proxy: gateway("h"), from: 2 * time.Minute})
			var last string
			_, err := newConvergence(fleet, exampleApp, after, func(line string) {
				if time.Since(fleet.start) < time.Minute {
					last = line
				}
			}).wait(t.Context(), time.Minute)
			require.NoError(t, err)
			require.Equal(t, "1 of 1 proxies serve 50/50, and the ingress gateway starts", last)
		})
	})
	t.Run("never", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			_, err := newConvergence(newFakeFleet(fakeEnvoy{Proxy: starting}), exampleApp, after, nil).wait(t.Context(), time.Minute)
			require.EqualError(t, err, "the split stable 50 / canary 50 is written, but after 3m0s no pod of the ingress gateway is ready: "+
				"there is no ingress traffic; `kubectl describe pod` of mesh/g says why\nthe next `pulumi up` checks again, even without a change")
		})
	})
}

func TestLagErrorIsBounded(t *testing.T) {
	t.Parallel()
	e := &LagError{Want: after, Timeout: time.Minute, Serving: 1}
	for i := range 13 {
		e.Lagging = append(e.Lagging, Lagging{Namespace: "mesh", Pod: fmt.Sprintf("p%02d", i), Serves: "serves stable 100 / canary 0"})
	}
	require.ErrorContains(t, e, "13 of 14 proxies")
	require.ErrorContains(t, e, "mesh/p09 ")
	require.NotContains(t, e.Error(), "mesh/p10 ")
	require.ErrorContains(t, e, "\n  and 3 more\n")
}

func TestConvergenceReadsInParallelWithinBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		envoys := []fakeEnvoy{{Proxy: gateway("g"), converges: time.Second}}
		for i := range 100 {
			envoys = append(envoys, fakeEnvoy{Proxy: sidecar(fmt.Sprintf("s%d", i))})
		}
		fleet := newFakeFleet(envoys...)
		_, err := newConvergence(fleet, exampleApp, after, nil).wait(t.Context(), time.Minute)
		require.NoError(t, err)
		require.Equal(t, concurrentReads, fleet.most)
		require.Equal(t, 1, fleet.reads["s0"], "a proxy that has the split is not read again")
		require.Greater(t, fleet.reads["g"], 3)
		require.Less(t, fleet.reads["g"], 50)
	})
}

func TestConvergenceForgetsPodsThatAreGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fleet := newFakeFleet(fakeEnvoy{Proxy: gateway("g"), converges: 5 * time.Second}, fakeEnvoy{Proxy: sidecar("a"), to: time.Second})
		_, err := newConvergence(fleet, exampleApp, after, nil).wait(t.Context(), time.Minute)
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, fleet.gone)
	})
}

func TestConvergenceCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		start := time.Now()
		_, err := newConvergence(newFakeFleet(fakeEnvoy{Proxy: gateway("g"), hangs: true}), exampleApp, after, nil).wait(ctx, time.Minute)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

func TestConvergenceAPIServerFails(t *testing.T) {
	t.Parallel()
	unreachable := &kube.UnreachableError{Server: "https://127.0.0.1:6443", Err: errors.New("connection refused")}
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no"))
	for name, tc := range map[string]struct {
		listErr func(time.Duration) error
		ends    time.Duration
		want    string // "" for success
	}{
		"for a while": {func(since time.Duration) error {
			if since < 10*time.Second {
				return unreachable
			}
			return nil
		}, 10 * time.Second, ""},
		"for good":      {func(time.Duration) error { return unreachable }, kube.OutageLimit, "cluster not reachable at https://127.0.0.1:6443"},
		"missing right": {func(time.Duration) error { return forbidden }, 0, "pods is forbidden"},
		"now and then only": {func(since time.Duration) error {
			if since < 50*time.Second && int(since.Seconds())%10 != 0 {
				return unreachable
			}
			return nil
		}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fleet := newFakeFleet(fakeEnvoy{Proxy: gateway("g")})
				fleet.listErr = tc.listErr
				start := time.Now()
				_, err := newConvergence(fleet, exampleApp, after, nil).wait(t.Context(), time.Minute)
				require.InDelta(t, tc.ends, time.Since(start), float64(longPause+time.Millisecond*10))
				if tc.want == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, tc.want)
			})
		})
	}
}

func TestConvergeRefusesEmptySplit(t *testing.T) {
	t.Parallel()
	_, err := NewLinks(kubetest.API(t, nil), exampleApp).Converge(t.Context(), nil, release.Split{}, time.Second, nil)
	require.ErrorContains(t, err, "split 0/0")
}
