package main

import (
	"context"
	"time"
)

const (
	// resync is how often things are looked at without any change seen: the bound
	// on what a watch that hangs can delay.
	resync     = 10 * time.Second
	retryAfter = time.Second
)

// reconcile calls sync at once and after each change below the watched paths, until ctx ends.
// A failure is logged once as long as it stays the same, and tried again.
func (n *node) reconcile(ctx context.Context, what string, client *api, paths []string, sync func(context.Context) error) {
	trigger := make(chan struct{}, 1)
	changed := func() {
		select {
		case trigger <- struct{}{}:
		default: // one more look sees this change too
		}
	}
	for _, path := range paths {
		go func() {
			for ctx.Err() == nil {
				_ = client.watch(ctx, path, changed)
				sleep(ctx, retryAfter)
			}
		}()
	}
	failure := ""
	for ctx.Err() == nil {
		wait := resync
		if err := sync(ctx); err != nil && ctx.Err() == nil {
			if wait = retryAfter; err.Error() != failure {
				n.log.Warn("will be tried again", "what", what, "error", err)
			}
			failure = err.Error()
		} else if failure != "" {
			n.log.Info("works again", "what", what)
			failure = ""
		}
		select {
		case <-ctx.Done():
		case <-trigger:
		case <-time.After(wait):
		}
	}
}
