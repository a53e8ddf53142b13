package canary

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"canary/internal/config"
	"canary/internal/converge"
	"canary/internal/release"
)

// rollout is one update's way to a split in the running cluster: guard, then the
// write of the VirtualService, then converge and finish. It runs in every update,
// also in one that changes nothing, and never in a preview.
type rollout struct {
	split release.Split
	// pods is the wanted number of pods by subset.
	pods map[string]int
	// timeout is the longest wait for the proxies.
	timeout time.Duration
	// gateway is the value of the label istio of the ingress gateway's pods.
	gateway string
	// before is what istiod knew right before the write; empty when there is none.
	before *atomic.Pointer[converge.Before]
}

func newRollout(c *config.Config) rollout {
	stable, canary := c.CanaryWeight.Split()
	return rollout{
		split:   release.Split{Stable: stable, Canary: canary},
		pods:    map[string]int{stableSubset: c.StableReplicas, canarySubset: c.CanaryReplicas},
		timeout: c.ConvergeTimeout,
		gateway: c.Istio.Gateway,
		before:  &atomic.Pointer[converge.Before]{},
	}
}

// converge waits until every proxy serves the split, and says so.
func (r rollout) converge(ctx context.Context, app live, say voice) error {
	ctx, stop := r.endOnDrift(ctx, app)
	defer stop()
	converged, err := app.converge(ctx, r.before.Load(), r.split, r.timeout, say.progress)
	if drift := new(driftError); errors.As(context.Cause(ctx), &drift) {
		return drift
	}
	if lag := new(converge.LagError); errors.As(err, &lag) && lag.NoGateway {
		return fmt.Errorf("%w\nthe Gateway selects pods with the label istio=%s", err, r.gateway)
	}
	if err != nil {
		return err
	}
	proxies := fmt.Sprintf("all %d proxies", converged.Proxies)
	if converged.Proxies == 1 {
		proxies = "the only proxy"
	}
	say.info(fmt.Sprintf("split %s is served by %s after %.2f s", r.split.Short(), proxies, converged.Elapsed.Seconds()))
	return nil
}

// finish looks at the pods of both subsets: one that is not ready fails the
// update, now that the split is where it should be.
func (r rollout) finish(ctx context.Context, app live, say voice) error {
	if err := app.waitReady(ctx, r.pods, say.progress); err != nil {
		return fmt.Errorf("the split %s is served, but: %w", r.split.Short(), err)
	}
	return nil
}

// voice says to the user what happens: a line of progress is shown until the
// next line, the others stay.
type voice struct{ progress, info, warn func(string) }
