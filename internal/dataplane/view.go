package dataplane

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"canary/internal/kube"
)

// View shows what is really so about an app, again and again. It keeps a
// connection to each proxy until Close.
type View struct {
	client    *kube.Client
	app       App
	fleet     fleet
	workloads workloads
	known     map[string]proxy // by pod UID
	release   func()
}

// NewView prepares looks at an app; it does no I/O.
func NewView(c *kube.Client, app App) *View {
	f := newClusterFleet(c, app)
	return &View{client: c, app: app, fleet: f, workloads: &clusterWorkloads{client: c, app: app}, release: f.close}
}

// Close ends the connections.
func (v *View) Close() { v.release() }

// Split is LiveSplit of the app.
func (v *View) Split(ctx context.Context) (Split, error) { return LiveSplit(ctx, v.client, v.app) }

// ProxyStatus is what one proxy really does with requests for the app.
type ProxyStatus struct {
	Namespace, Pod string
	Gateway        bool    // the app's Gateway selects it
	Ready          bool    // it gets new connections: it is ready and not ending
	Present        bool    // it has a route for the app
	Splits         []Split // the distinct splits that it serves; normally one
	Says           string  // the same in words, or why it cannot be read
	// Lags is set when a wait for the split would wait for this proxy.
	Lags bool
}

// Proxies asks every proxy of the cluster what it serves, and judges it by a
// split. Proxies that lag come first, then they are in the order of namespace
// and pod.
func (v *View) Proxies(ctx context.Context, want Split) ([]ProxyStatus, error) {
	proxies, err := v.fleet.list(ctx)
	if err != nil {
		return nil, err
	}
	v.forget(proxies)
	found := make([]ProxyStatus, len(proxies))
	var group errgroup.Group
	group.SetLimit(concurrentReads)
	for i, p := range proxies {
		group.Go(func() error {
			readCtx, cancel := context.WithTimeout(ctx, readTimeout)
			defer cancel()
			s, err := v.fleet.read(readCtx, p)
			m := member{proxy: p}
			m.update(s, err, want)
			found[i] = ProxyStatus{
				Namespace: p.namespace, Pod: p.pod, Gateway: p.gateway, Ready: p.takesRequests(),
				Present: s.present(), Splits: s.splits, Says: m.says(),
				Lags: !m.settled && !m.exempt(),
			}
			return nil
		})
	}
	_ = group.Wait()
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
func (v *View) forget(running []proxy) {
	now := make(map[string]proxy, len(running))
	for _, p := range running {
		now[p.uid] = p
	}
	for uid, p := range v.known {
		if _, ok := now[uid]; !ok {
			v.fleet.forget(p)
		}
	}
	v.known = now
}

// SubsetStatus is the pods of one subset.
type SubsetStatus struct {
	Name          string
	Found         bool   // it has a Deployment
	Ready, Wanted int    // pods of the newest version
	Older         int    // pods of the versions before
	Image         string // of the newest version
}

// Subsets looks at the pods of both subsets, stable first.
func (v *View) Subsets(ctx context.Context) ([]SubsetStatus, error) {
	s, err := v.workloads.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	var found []SubsetStatus
	for _, name := range []string{Stable, Canary} {
		status := SubsetStatus{Name: name}
		if deployment := s.deployment(name); deployment != nil {
			status.Found, status.Wanted = true, 1 // the API's default
			if replicas := deployment.Spec.Replicas; replicas != nil {
				status.Wanted = *replicas
			}
			status.Image = image(&deployment.Spec.Template.Spec)
			state := s.subset(v.app, name, status.Wanted)
			status.Ready, status.Older = len(state.ready), state.older
		}
		found = append(found, status)
	}
	return found, nil
}

// image is the app's own, not that of a sidecar.
func image(spec *kube.PodSpec) string {
	for _, container := range spec.Containers {
		if container.Name != proxyContainer {
			return container.Image
		}
	}
	return ""
}
