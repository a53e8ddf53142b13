package canary

import (
	"context"
	"fmt"

	"canary/internal/dataplane"
)

// guard holds the split back until the subsets that it moves towards have their
// wanted pods ready. A subset that loses weight is never waited for: rolling back
// from a sick canary must work at once.
func (r rollout) guard(ctx context.Context, app live, report func(string)) error {
	inForce, err := app.split(ctx)
	// Without a split that can be read (the first update, or weights that somebody
	// made impossible), every subset with a weight gains it.
	known := err == nil
	waitFor := map[string]int{}
	for subset, pods := range r.pods {
		if weightOf(r.split, subset) > 0 && (!known || gains(subset, inForce, r.split)) {
			waitFor[subset] = pods
		}
	}
	if len(waitFor) == 0 {
		return nil
	}
	if err := app.waitReady(ctx, waitFor, report); err != nil {
		if !known {
			return fmt.Errorf("the split was not written: %w", err)
		}
		return fmt.Errorf("the split stays %s: %w", inForce.Short(), err)
	}
	return nil
}

// gains reports whether the subset's share is larger in the second split than in
// the first.
func gains(subset string, from, to dataplane.Split) bool {
	sum := func(s dataplane.Split) int64 { return int64(s.Stable) + int64(s.Canary) }
	return int64(weightOf(to, subset))*sum(from) > int64(weightOf(from, subset))*sum(to)
}

func weightOf(s dataplane.Split, subset string) int32 {
	if subset == stableSubset {
		return s.Stable
	}
	return s.Canary
}
