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
)

// oldPush and newPush are the versions before and because of the write.
const (
	oldPush = 10
	newPush = 12
)

// line is a connection to istiod "a" that is sent the split at a time.
func line(sent time.Duration) connection {
	return connection{process: "a", from: longAgo, deliveries: []delivery{at(longAgo, oldPush, before), at(sent, newPush, after)}}
}

func pod(name string, connections ...connection) *meshProxy {
	return &meshProxy{Proxy: envoy.Proxy{Pod: name}, connections: connections}
}

func gatewayPod(connections ...connection) *meshProxy {
	p := pod("g", connections...)
	p.Gateway = true
	return p
}

// manyProxies is a mesh with a gateway and sidecars s0 to s59 that are sent the
// split at 0.1 s.
func manyProxies() *fakeMesh {
	f := newFakeMesh(istiodRun{key: "a"})
	f.add(gatewayPod(line(100 * time.Millisecond)))
	for i := range 60 {
		f.add(pod(fmt.Sprintf("s%d", i), line(100*time.Millisecond)))
	}
	return f
}

func beforeWrite(t *testing.T, f *fakeMesh) *Before {
	t.Helper()
	b := &Before{}
	b.look(t.Context(), f)
	return b
}

func written(context.Context) bool { return true }

func TestManyProxies(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change  func(*fakeMesh)
		written bool
		want    Converged
		within  time.Duration
		// direct is the largest number of direct reads of sidecars.
		direct int
	}{
		"the books settle them": {
			written: true, direct: 20, within: 100 * time.Millisecond,
			want: Converged{Proxies: 61, Elapsed: 100 * time.Millisecond},
		},
		"one is late": {
			change:  func(f *fakeMesh) { f.named("s5").connections = []connection{line(600 * time.Millisecond)} },
			written: true, direct: 20, within: 150 * time.Millisecond,
			want: Converged{Proxies: 61, Elapsed: 600 * time.Millisecond},
		},
		"a push that began before the write is acknowledged after it": {
			change: func(f *fakeMesh) {
				for _, p := range f.proxies {
					p.connections[0].deliveries = []delivery{at(longAgo, oldPush, before), at(50*time.Millisecond, oldPush+1, before), at(100*time.Millisecond, newPush, after)}
				}
				f.named("s5").connections[0].deliveries[2] = at(800*time.Millisecond, newPush, after)
			},
			written: true, direct: 20, within: 200 * time.Millisecond,
			want: Converged{Proxies: 61, Elapsed: 800 * time.Millisecond},
		},
		"the reference has the split but has not acknowledged it": {
			// Its older push must not pass for the one that has the split.
			change: func(f *fakeMesh) {
				for _, p := range f.proxies {
					p.connections[0].deliveries = []delivery{at(longAgo, oldPush, before), at(50*time.Millisecond, oldPush+1, before), at(900*time.Millisecond, newPush, after)}
				}
				d := &f.named("g").connections[0].deliveries[2]
				*d = at(100*time.Millisecond, newPush, after)
				d.acked = 700 * time.Millisecond
			},
			written: true, direct: 200, within: 250 * time.Millisecond,
			want: Converged{Proxies: 61, Elapsed: 900 * time.Millisecond},
		},
		"pushes of the same content after the write": {
			change: func(f *fakeMesh) {
				for _, p := range f.proxies[1:] {
					p.connections[0].deliveries = append(p.connections[0].deliveries, at(150*time.Millisecond, newPush+1, after), at(200*time.Millisecond, newPush+2, after))
				}
			},
			written: true, direct: 20, within: 200 * time.Millisecond,
			want: Converged{Proxies: 61, Elapsed: 100 * time.Millisecond},
		},
		"an idle gateway without a route watch": {
			change: func(f *fakeMesh) {
				egress := f.add(pod("egress", connection{process: "a", from: longAgo}))
				egress.router, egress.notApp = true, true
			},
			written: true, direct: 20, within: 100 * time.Millisecond,
			want: Converged{Proxies: 61, Elapsed: 100 * time.Millisecond},
		},
		"a sidecar whose scope leaves the app out": {
			// It is never sent anything, so it is read directly in the end.
			change: func(f *fakeMesh) {
				f.add(pod("scoped", connection{process: "a", from: longAgo, deliveries: []delivery{at(longAgo, oldPush, before)}})).notApp = true
			},
			written: true, direct: 40, within: 300 * time.Millisecond,
			want: Converged{Proxies: 61, Elapsed: 100*time.Millisecond + bookPatience},
		},
		"an unchanged spec": {
			change: func(f *fakeMesh) {
				for _, p := range f.proxies {
					p.connections[0].deliveries = []delivery{at(longAgo, oldPush, after)}
				}
			},
			direct: 60, within: 50 * time.Millisecond,
			want: Converged{Proxies: 61},
		},
		"two istiods with counters of their own": {
			// b's old version is above a's new one.
			change: func(f *fakeMesh) {
				f.istiods = append(f.istiods, istiodRun{key: "b"})
				for i := range 30 {
					f.named(fmt.Sprintf("s%d", i)).connections = []connection{{
						process: "b", from: longAgo,
						deliveries: []delivery{at(longAgo, 500, before), at(50*time.Millisecond, 501, before), at(700*time.Millisecond, 502, after)},
					}}
				}
			},
			written: true, direct: 100, within: 200 * time.Millisecond,
			want: Converged{Proxies: 61, Elapsed: 700 * time.Millisecond},
		},
		"a disconnected proxy is in no book": {
			change: func(f *fakeMesh) {
				// It comes back, and its new connection is sent the split.
				f.named("s5").connections = []connection{{process: "a", from: 4 * time.Second, deliveries: []delivery{at(4*time.Second, newPush, after)}}}
			},
			written: true, direct: 120, within: 2 * longPause,
			want: Converged{Proxies: 61, Elapsed: 4 * time.Second},
		},
		"a pod appears twice": {
			// The dead connection never acknowledges; the pod itself is asked.
			change: func(f *fakeMesh) {
				f.named("s5").connections = []connection{
					{process: "a", from: longAgo, deliveries: []delivery{at(longAgo, oldPush, before)}},
					line(600 * time.Millisecond),
				}
			},
			written: true, direct: 40, within: 300 * time.Millisecond,
			want: Converged{Proxies: 61, Elapsed: 100*time.Millisecond + bookPatience},
		},
		"istiod starts anew": {
			change: func(f *fakeMesh) {
				f.istiods = []istiodRun{{key: "a", to: 50 * time.Millisecond}, {key: "a2", from: 60 * time.Millisecond}}
				for _, p := range f.proxies {
					p.connections = []connection{
						{process: "a", from: longAgo, to: 50 * time.Millisecond, deliveries: []delivery{at(longAgo, oldPush, before)}},
						{process: "a2", from: 300 * time.Millisecond, deliveries: []delivery{at(300*time.Millisecond, 1, before), at(2*time.Second, 2, after)}},
					}
				}
			},
			written: true, direct: 800, within: 500 * time.Millisecond,
			want: Converged{Proxies: 61, Elapsed: 2 * time.Second},
		},
		"no debug pages": {
			change:  func(f *fakeMesh) { f.istiods[0].open = func() error { return errors.New("404 Not Found") } },
			written: true, direct: 1000, within: 100 * time.Millisecond,
			want: Converged{Proxies: 61, Elapsed: 100 * time.Millisecond},
		},
		"an istiod whose debug pages hang": {
			change: func(f *fakeMesh) {
				f.istiods[0].open = func() error {
					if f.since() < 10*time.Millisecond {
						return nil
					}
					return context.DeadlineExceeded
				}
			},
			written: true, direct: 100, within: bookTimeout,
			want: Converged{Proxies: 61, Elapsed: 100 * time.Millisecond},
		},
		"debug pages that can be read only after the write": {
			change: func(f *fakeMesh) {
				f.istiods[0].open = func() error {
					if f.since() < 10*time.Millisecond {
						return errors.New("connection refused")
					}
					return nil
				}
			},
			written: true, direct: 1000, within: 100 * time.Millisecond,
			want: Converged{Proxies: 61, Elapsed: 100 * time.Millisecond},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := manyProxies()
				if tc.change != nil {
					tc.change(f)
				}
				c := newConvergence(f, exampleApp, after, nil)
				c.consult(f, beforeWrite(t, f), func(context.Context) bool { return tc.written })
				offset := f.since()
				got, err := c.wait(t.Context(), time.Minute)
				require.NoError(t, err)
				elapsed := got.Elapsed + offset
				require.Equal(t, tc.want.Proxies, got.Proxies)
				require.GreaterOrEqual(t, elapsed, tc.want.Elapsed)
				require.LessOrEqual(t, elapsed, tc.want.Elapsed+tc.within)
				require.LessOrEqual(t, sumReads(f, "g"), tc.direct)
			})
		})
	}
}

func TestManyProxiesLag(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*fakeMesh)
		want   string
	}{
		"a proxy that refuses the routes": {
			func(f *fakeMesh) { f.named("s5").connections[0].deliveries[1].refused = true },
			"1 of 61 proxies do not serve it:\n  mesh/s5 serves stable 100 / canary 0",
		},
		"a proxy that is cut off": {
			func(f *fakeMesh) {
				d := &f.named("s5").connections[0].deliveries[1]
				d.applied, d.acked = time.Hour, time.Hour
			},
			"1 of 61 proxies do not serve it:\n  mesh/s5 serves stable 100 / canary 0",
		},
		"a proxy in no book": {
			func(f *fakeMesh) { f.named("s5").connections = nil },
			"1 of 61 proxies do not serve it:\n  mesh/s5 serves stable 100 / canary 0",
		},
		"a gateway that never takes it": {
			func(f *fakeMesh) { f.named("g").connections[0].deliveries = f.named("g").connections[0].deliveries[:1] },
			"1 of 61 proxies do not serve it:\n  mesh/g serves stable 100 / canary 0",
		},
		"a proxy outside that does not acknowledge": {
			func(f *fakeMesh) {
				vm := f.add(pod("vm", line(100*time.Millisecond)))
				vm.outside = true
				vm.connections[0].deliveries[1].acked = time.Hour
			},
			"1 of 62 proxies do not serve it:\n  mesh/vm has not acknowledged the split to istiod (it is no pod of this cluster, so it cannot be read)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := manyProxies()
				tc.change(f)
				c := newConvergence(f, exampleApp, after, nil)
				c.consult(f, beforeWrite(t, f), written)
				_, err := c.wait(t.Context(), 10*time.Second)
				require.ErrorContains(t, err, tc.want)
			})
		})
	}
}

func TestProxiesOutsideTheCluster(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeMesh(istiodRun{key: "a"})
		f.add(gatewayPod(line(100 * time.Millisecond)))
		f.add(pod("s", line(100*time.Millisecond)))
		f.add(pod("vm", line(400*time.Millisecond))).outside = true
		// Its scope leaves the app out: istiod never sends to it.
		f.add(pod("scoped", connection{process: "a", from: longAgo, deliveries: []delivery{at(longAgo, oldPush, before)}})).outside = true
		c := newConvergence(f, exampleApp, after, nil)
		c.consult(f, beforeWrite(t, f), written)
		got, err := c.wait(t.Context(), time.Minute)
		require.NoError(t, err)
		require.Equal(t, 3, got.Proxies)
		require.Equal(t, 1, got.Untouched)
		require.Greater(t, got.Elapsed, 400*time.Millisecond+bookPatience-offsetOfTheBook)
		require.Less(t, got.Elapsed, 2*time.Second)
	})
}

// offsetOfTheBook is how much earlier than the wait the snapshot was.
const offsetOfTheBook = openTakes

func TestFewProxiesNeedNoBooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeMesh(istiodRun{key: "a"})
		f.add(gatewayPod(line(100 * time.Millisecond)))
		f.add(pod("s", line(100*time.Millisecond)))
		c := newConvergence(f, exampleApp, after, nil)
		c.consult(f, beforeWrite(t, f), written)
		opened := f.opened
		_, err := c.wait(t.Context(), time.Minute)
		require.NoError(t, err)
		require.Equal(t, opened, f.opened)
	})
}
