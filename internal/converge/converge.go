package converge

import (
	"context"
	"fmt"
	"time"

	"canary/internal/envoy"
	"canary/internal/mesh"
	"canary/internal/release"
)

// Converged says how it went when every proxy serves the split.
type Converged struct {
	Proxies int           // proxies that serve the app, or acknowledged what istiod has for it
	Elapsed time.Duration // from the call until the last of them was seen to hold the split
	// Untouched is how many proxies, known to istiod but no pods of this cluster,
	// istiod sent nothing because of the write; they are not waited for.
	Untouched int
	Bytes     int64 // read from proxies and from istiod, over the links so far
}

// Converge waits until every proxy that serves the app holds the split, by the
// rule in the package comment. Call it after the VirtualService was written.
// report gets a line of progress whenever it changes; it may be nil. After the
// timeout the error is a *LagError; ctx ends the wait early with its own error.
//
// With what was there before the write it relies on istiod's books where there
// are many proxies, and waits also for proxies that are no pods of this cluster.
// A nil or empty before knows nothing: every proxy of the cluster is read directly.
//
// A proxy that holds the split must also hold the clusters of the subsets that get
// requests by it, or it answers them with 503. Those of a proxy whose word is in
// istiod's book alone are not looked at.
func (l *Links) Converge(ctx context.Context, before *Before, split release.Split, timeout time.Duration, report func(string)) (Converged, error) {
	return l.converge(ctx, l.fleet, before, split, timeout, report)
}

// ConvergeRoutes is Converge without a look at the clusters: whether weight has left
// a subset, be the DestinationRule as it may. It is for a split that is written before
// the rest of an update, so what counts is the app as its Gateway and VirtualService have
// it: those may have other hosts than are wanted, or none with HTTPS.
func (l *Links) ConvergeRoutes(ctx context.Context, before *Before, split release.Split, timeout time.Duration, report func(string)) (Converged, error) {
	return l.converge(ctx, routesAlone{l.fleet, mesh.InForce(ctx, l.client, l.app)}, before, split, timeout, report)
}

// routesAlone are proxies whose clusters are not looked at, for an app.
type routesAlone struct {
	*envoy.Admin
	app release.App
}

func (r routesAlone) Routes(ctx context.Context, p envoy.Proxy) (envoy.Routes, error) {
	return r.RoutesAlone(ctx, p, r.app)
}

func (l *Links) converge(ctx context.Context, as fleet, before *Before, split release.Split, timeout time.Duration, report func(string)) (Converged, error) {
	if !split.Valid() {
		return Converged{}, fmt.Errorf("split %d/%d: weights must be 0 or more and one of them above 0", split.Stable, split.Canary)
	}
	l.await(ctx)
	w := newConvergence(as, l.app, split, report)
	if before.taken() {
		w.consult(l.books, before, func(ctx context.Context) bool {
			now := release.ReadVersion(ctx, l.client, l.app)
			return now == (release.Version{}) || now != before.object
		})
	}
	converged, err := w.wait(ctx, timeout)
	converged.Bytes = l.fleet.Bytes() + l.books.Bytes()
	return converged, err
}
