package canary

import (
	"context"
	"fmt"
	"time"

	"canary/internal/config"
	"canary/internal/dataplane"
)

// rollout is one update's way to a split in the running cluster: guard, then the
// write of the VirtualService, then finish. It runs in every update, also in one
// that changes nothing, and never in a preview.
type rollout struct {
	split dataplane.Split
	// pods is the wanted number of pods by subset.
	pods map[string]int
	// timeout is the longest wait for the proxies.
	timeout time.Duration
}

func newRollout(c *config.Config) rollout {
	stable, canary := c.CanaryWeight.Split()
	return rollout{
		split:   dataplane.Split{Stable: stable, Canary: canary},
		pods:    map[string]int{stableSubset: c.StableReplicas, canarySubset: c.CanaryReplicas},
		timeout: c.ConvergeTimeout,
	}
}

// finish waits until every proxy serves the split, and says so to done. Then it
// looks at the pods of both subsets: one that is not ready fails the update, now
// that the split is where it should be.
func (r rollout) finish(ctx context.Context, app live, report, done func(string)) error {
	converged, err := app.converge(ctx, r.split, r.timeout, report)
	if err != nil {
		return err
	}
	proxies := fmt.Sprintf("all %d proxies", converged.Proxies)
	if converged.Proxies == 1 {
		proxies = "the only proxy"
	}
	done(fmt.Sprintf("split %s is served by %s after %.2f s", r.split.Short(), proxies, converged.Elapsed.Seconds()))

	if err := app.waitReady(ctx, r.pods, report); err != nil {
		return fmt.Errorf("the split %s is served, but: %w", r.split.Short(), err)
	}
	return nil
}
