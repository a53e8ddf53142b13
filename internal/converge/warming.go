package converge

import (
	"context"
	"fmt"
	"slices"
	"time"

	"canary/internal/envoy"
	"canary/internal/kube"
	"canary/internal/mesh"
	"canary/internal/release"
)

// scopeGrace is how long a proxy may be without anything of the app, once
// another holds both subsets, before it counts as one that is not to have them.
// istiod tells all proxies within milliseconds.
const scopeGrace = 2 * time.Second

// ClusterLagError says which proxies did not hold both subsets in time.
type ClusterLagError struct {
	Timeout time.Duration
	Lagging []Lagging // sorted by namespace and pod; Serves says what they hold
}

// Error names each lagging proxy with what it holds.
func (e *ClusterLagError) Error() string {
	if len(e.Lagging) == 0 {
		return fmt.Sprintf("no proxy holds both subsets of the DestinationRule after %v", e.Timeout)
	}
	text := fmt.Sprintf("after %v not every proxy holds both subsets of the DestinationRule:%s", e.Timeout, listed(e.Lagging))
	if causes := advice(e.Lagging); causes != "" {
		text += "\n" + causes
	}
	return text
}

// WaitClusters waits until the proxies hold both subsets of the app as active
// clusters, which is what Envoy calls them when they can be used. A route to a
// cluster that a proxy does not hold answers 503, so this comes before the
// app's first VirtualService is written, and after its DestinationRule.
//
// A proxy that holds nothing of the app, not even its Service, is not waited for
// once others hold both subsets: its scope leaves the app out, or (a gateway of
// an istiod with PILOT_FILTER_GATEWAY_CLUSTER_CONFIG) it is told of a cluster
// only together with the route. After the timeout, or when none lags but because of
// a DestinationRule of somebody else, the error is a *ClusterLagError. report gets a line of progress whenever it changes; it may
// be nil.
func WaitClusters(ctx context.Context, c *kube.Client, app release.App, timeout time.Duration, report func(string)) error {
	fleet := envoy.NewAdmin(c, app)
	defer fleet.Close()
	return newWarming(fleet, report).wait(ctx, timeout)
}

// clusterSource is where warming looks.
type clusterSource interface {
	// ListAny gives the proxies that run now.
	ListAny(ctx context.Context) ([]envoy.Proxy, error)
	// Clusters asks a proxy for the active clusters of the app; it is called
	// concurrently.
	Clusters(ctx context.Context, p envoy.Proxy) (envoy.Clusters, error)
}

// warming is one wait.
type warming struct {
	source clusterSource
	report func(string)

	warm     map[string]bool // by pod UID: holds both, read no more
	first    time.Time       // when the first of them was seen
	outage   kube.Outage
	lastLine string
}

func newWarming(source clusterSource, report func(string)) *warming {
	if report == nil {
		report = func(string) {}
	}
	return &warming{source: source, report: report, warm: map[string]bool{}}
}

func (w *warming) wait(parent context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(parent, timeout, errConvergeTimeout)
	defer cancel()
	var lagging []Lagging
	start, pause := time.Now(), firstPause
	for {
		found, err := w.round(ctx)
		switch {
		case parent.Err() != nil:
			return fmt.Errorf("waiting for the proxies to hold the subsets: %w", context.Cause(parent))
		case ctx.Err() != nil:
			if lagging == nil { // else the round before, which was not cut short, says more
				lagging = found
			}
			return &ClusterLagError{Timeout: timeout, Lagging: lagging}
		case w.outage.Lasts(err):
			return fmt.Errorf("waiting for the proxies to hold the subsets: %w", err)
		case err == nil:
			lagging = found
			switch waited := time.Since(start); {
			case len(lagging) == 0 && len(w.warm) > 0:
				return nil
			case len(lagging) > 0 && waited >= eager && !slices.ContainsFunc(lagging, func(l Lagging) bool { return !l.caused() }):
				return &ClusterLagError{Timeout: waited.Round(time.Second), Lagging: lagging}
			}
			w.progress(len(lagging))
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(pause*3/2, longPause)
	}
}

// round reads every proxy that is not known to be warm, and gives those that lag.
func (w *warming) round(ctx context.Context) ([]Lagging, error) {
	proxies, err := w.source.ListAny(ctx)
	if err != nil {
		return nil, err
	}
	proxies = slices.DeleteFunc(proxies, func(p envoy.Proxy) bool { return w.warm[p.UID] || p.Ending })
	states := make([]envoy.Clusters, len(proxies))
	errs := make([]error, len(proxies))
	readEach(ctx, proxies, func(ctx context.Context, i int, p envoy.Proxy) {
		states[i], errs[i] = w.source.Clusters(ctx, p)
	})

	for i, p := range proxies {
		if errs[i] == nil && states[i].Both() {
			w.warm[p.UID] = true
			if w.first.IsZero() {
				w.first = time.Now()
			}
		}
	}
	var lagging []Lagging
	for i, p := range proxies {
		if w.warm[p.UID] || w.exempt(p, states[i], errs[i]) {
			continue
		}
		l := Lagging{Namespace: p.Namespace, Pod: p.Pod, Serves: states[i].String()}
		switch {
		case errs[i] != nil:
			l.Serves = "cannot be read: " + errs[i].Error()
		case states[i].Foreign != "":
			l.Foreign = mesh.ForeignDestinationRule(states[i].Foreign, states[i].Missing(release.Split{Stable: 1, Canary: 1}))
		}
		lagging = append(lagging, l)
	}
	slices.SortFunc(lagging, Lagging.compare)
	return lagging, nil
}

// exempt reports whether a proxy is not waited for: it starts, and takes the
// clusters before it serves anybody, or it is not to have them.
func (w *warming) exempt(p envoy.Proxy, state envoy.Clusters, err error) bool {
	if !p.Ready {
		return true
	}
	return err == nil && state == envoy.Clusters{} && !w.first.IsZero() && time.Since(w.first) >= scopeGrace
}

func (w *warming) progress(lagging int) {
	line := fmt.Sprintf("%d of %d proxies hold both subsets", len(w.warm), len(w.warm)+lagging)
	if line != w.lastLine {
		w.lastLine = line
		w.report(line)
	}
}
