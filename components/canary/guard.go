package canary

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"canary/internal/converge"
	"canary/internal/release"
)

// warmTimeout bounds the wait for the proxies' clusters.
const warmTimeout = 10 * time.Second

// guard holds the split back until the subsets that it moves towards have their
// wanted pods ready. A subset that loses weight is never waited for: rolling back
// from a sick canary must work at once.
func (r rollout) guard(ctx context.Context, app live, say voice) error {
	inForce, err := app.split(ctx)
	// Without a split that can be read (the first update, or weights that somebody
	// made impossible), every subset with a weight gains it.
	known := err == nil
	if known && inForce.Equal(r.split) {
		return nil // a roll back has moved it, or only the rest of the object changes
	}
	if known {
		if err := app.writable(ctx); err != nil {
			return fmt.Errorf("the split stays %s, and traffic goes on as before: %w", inForce.Short(), err)
		}
	}
	waitFor := map[string]int{}
	for subset, pods := range r.pods {
		if weightOf(r.split, subset) > 0 && (!known || gains(subset, inForce, r.split)) {
			waitFor[subset] = pods
		}
	}
	if len(waitFor) > 0 {
		if err := app.waitReady(ctx, waitFor, say.progress); err != nil {
			if !known {
				return fmt.Errorf("the split was not written: %w", err)
			}
			return fmt.Errorf("the split stays %s: %w", inForce.Short(), err)
		}
	}
	if apierrors.IsNotFound(err) {
		return r.warm(ctx, app, say)
	}
	return nil
}

// warm waits until the proxies can use both subsets, before the first
// VirtualService leads them there. Later ones need no wait: the DestinationRule
// names both subsets always, so a proxy that has a route has its clusters, and a
// change of the weight costs nothing here. A proxy that lags does not hold the
// route back: it is not told of the route before it is told of the subsets.
func (r rollout) warm(ctx context.Context, app live, say voice) error {
	err := app.warm(ctx, min(r.timeout, warmTimeout), say.progress)
	if lag := new(converge.ClusterLagError); errors.As(err, &lag) {
		say.warn(lag.Error() + "\nthe first requests through them may be answered 503")
		return nil
	}
	if err != nil {
		return fmt.Errorf("the split was not written: %w", err)
	}
	return nil
}

// gains reports whether the subset's share is larger in the second split than in
// the first.
func gains(subset string, from, to release.Split) bool {
	sum := func(s release.Split) int64 { return int64(s.Stable) + int64(s.Canary) }
	return int64(weightOf(to, subset))*sum(from) > int64(weightOf(from, subset))*sum(to)
}

func weightOf(s release.Split, subset string) int32 {
	if subset == stableSubset {
		return s.Stable
	}
	return s.Canary
}
