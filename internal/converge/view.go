package converge

import (
	"context"
	"slices"
	"strings"

	"canary/internal/envoy"
	"canary/internal/kube"
	"canary/internal/mesh"
	"canary/internal/release"
)

// View shows what the proxies serve of an app, again and again. It keeps a
// connection to each proxy until Close.
type View struct {
	fleet fleet
	app   release.App
	known map[string]envoy.Proxy // by pod UID
	close func()
}

// NewView prepares looks at an app; it does no I/O.
func NewView(c *kube.Client, app release.App) *View {
	f := envoy.NewAdmin(c, app)
	return &View{fleet: f, app: app, close: f.Close}
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
	// Foreign is what an object of somebody else does, because of which the proxy
	// does not serve the split, and the repair; "" when there is none.
	Foreign string
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
	members := make([]member, len(proxies))
	readEach(ctx, proxies, func(ctx context.Context, i int, p envoy.Proxy) {
		r, err := v.fleet.Routes(ctx, p)
		members[i].Proxy = p
		members[i].update(r, err, want)
	})
	others := v.others(ctx, members)
	found := make([]ProxyStatus, len(members))
	for i := range members {
		found[i] = members[i].status(v.app, others)
	}
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

// others reads the objects of others when a proxy is without the app's routes that
// might have them. Those whose right is missing are not named.
func (v *View) others(ctx context.Context, members []member) *mesh.Others {
	if !slices.ContainsFunc(members, func(m member) bool { return m.shut() || m.outOfScope() }) {
		return nil
	}
	return new(v.fleet.Others(ctx))
}

// outOfScope reports whether the member is a sidecar without a route for the app.
func (m *member) outOfScope() bool { return m.Sidecar && m.err == nil && !m.seen.Present() }

func (m *member) status(app release.App, others *mesh.Others) ProxyStatus {
	s := ProxyStatus{
		Namespace: m.Namespace, Pod: m.Pod, Gateway: m.Gateway, Ready: m.TakesRequests(),
		Present: m.seen.Present(), Splits: m.seen.Splits, Says: m.says(),
		Lags: !m.settled && !m.exempt(),
	}
	if f := m.foreign(app, others); s.Lags && f != (mesh.Foreign{}) {
		s.Foreign = f.String()
	}
	if m.outOfScope() && others != nil {
		if hiding := others.Hiding(app, m.Namespace, m.Labels); hiding != "" {
			s.Says += ": Sidecar " + hiding + " leaves the app out, so that its requests to the app are not split"
		}
	}
	return s
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
