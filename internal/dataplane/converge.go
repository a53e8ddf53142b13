package dataplane

import (
	"context"
	"fmt"
	"time"

	"canary/internal/kube"
)

// Converged says how it went when every proxy serves the split.
type Converged struct {
	Proxies int           // proxies that serve the app
	Elapsed time.Duration // from the call until the last of them was seen to hold the split
}

// Converge waits until every proxy that serves the app holds the split, by the
// rule in the package comment. Call it after the VirtualService was written.
// report gets a line of progress whenever it changes; it may be nil. After the
// timeout the error is a *LagError; ctx ends the wait early with its own error.
func Converge(ctx context.Context, c *kube.Client, app App, split Split, timeout time.Duration, report func(string)) (Converged, error) {
	if !split.valid() {
		return Converged{}, fmt.Errorf("split %d/%d: weights must be 0 or more and one of them above 0", split.Stable, split.Canary)
	}
	fleet := newClusterFleet(c, app)
	defer fleet.close()
	w := newConvergence(fleet, split, report)
	return w.wait(ctx, timeout)
}
