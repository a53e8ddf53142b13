package converge

import (
	"context"
	"slices"
	"strings"

	"canary/internal/envoy"
	"canary/internal/kube"
	"canary/internal/release"
)

// View shows what the proxies serve of an app, again and again. It keeps a
// connection to each proxy until Close.
type View struct {
	fleet fleet
	known map[string]envoy.Proxy // by pod UID
	close func()
}

// NewView prepares looks at an app; it does no I/O.
func NewView(c *kube.Client, app release.App) *View {
	f := envoy.NewAdmin(c, app)
	return &View{fleet: f, close: f.Close}
}

// Close ends the connections.
func (v *View) Close() { v.close() }

// ProxyStatus is what one proxy really does with requests for the app.
type ProxyStatus struct {
	Namespace, Pod string
	Gateway        bool            // the app's Gateway selects it
	Ready          bool            // it gets new connections: it is ready and not ending
	Present        bool            // it has a route for the app
	Splits         []release.Split // the distinct splits that it serves; normally one
	Says           string          // the same in words, or why it cannot be read
	// Lags is set when a wait for the split would wait for this proxy.
	Lags bool
}

// Proxies asks every proxy of the cluster what it serves, and judges it by a
// split. Proxies that lag come first, then they are in the order of namespace
// and pod.
func (v *View) Proxies(ctx context.Context, want release.Split) ([]ProxyStatus, error) {
	proxies, err := v.fleet.List(ctx)
	if err != nil {
		return nil, err
	}
	v.forget(proxies)
	found := make([]ProxyStatus, len(proxies))
	readEach(ctx, proxies, func(ctx context.Context, i int, p envoy.Proxy) {
		r, err := v.fleet.Routes(ctx, p)
		m := member{Proxy: p}
		m.update(r, err, want)
		found[i] = ProxyStatus{
			Namespace: p.Namespace, Pod: p.Pod, Gateway: p.Gateway, Ready: p.TakesRequests(),
			Present: r.Present(), Splits: r.Splits, Says: m.says(),
			Lags: !m.settled && !m.exempt(),
		}
	})
	slices.SortFunc(found, func(a, b ProxyStatus) int {
		if a.Lags != b.Lags {
			if a.Lags {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Namespace+"/"+a.Pod, b.Namespace+"/"+b.Pod)
	})
	return found, ctx.Err()
}

// forget closes the connections to pods that are gone.
func (v *View) forget(running []envoy.Proxy) {
	now := make(map[string]envoy.Proxy, len(running))
	for _, p := range running {
		now[p.UID] = p
	}
	for uid, p := range v.known {
		if _, ok := now[uid]; !ok {
			v.fleet.Forget(p)
		}
	}
	v.known = now
}
