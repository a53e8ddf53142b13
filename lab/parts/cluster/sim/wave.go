package main

import (
	"context"
	"time"
)

// wave is what is printed about pushes that came together.
type wave struct {
	Event   string `json:"event"` // "ready" once, then "wave"
	Proxies int    `json:"proxies"`
	// Acks may be more than Proxies: a sidecar can get several pushes.
	Acks    int       `json:"acks"`
	Version string    `json:"version"` // of the push that was acknowledged last
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Seconds float64   `json:"seconds"` // from the first acknowledgement to the last
}

// watch gathers acknowledgements into waves until the context ends. The first
// wave lasts until every sidecar has acknowledged.
func watch(ctx context.Context, o options, acks <-chan ack, print func(any) error) error {
	ready := false
	var current wave
	seen := map[int]bool{}
	over := time.NewTimer(o.quiet)
	over.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case a := <-acks:
			if current.Acks == 0 {
				current.First = a.at
			}
			seen[a.sidecar] = true
			current.Acks++
			if a.at.After(current.Last) {
				current.Last, current.Version = a.at, a.version
			}
			over.Reset(o.quiet)
		case <-over.C:
			if !ready && len(seen) < o.count {
				continue
			}
			current.Event, current.Proxies = "wave", len(seen)
			if !ready {
				current.Event = "ready"
			}
			current.Seconds = current.Last.Sub(current.First).Seconds()
			if err := print(current); err != nil {
				return err
			}
			ready, current, seen = true, wave{}, map[int]bool{}
		}
	}
}
