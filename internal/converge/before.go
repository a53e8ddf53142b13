package converge

import (
	"context"
	"sync"
	"time"

	"canary/internal/envoy"
	"canary/internal/istiod"
	"canary/internal/mesh"
	"canary/internal/release"
)

// lookTimeout bounds what a look may cost; what is missing then is only read in
// another way later.
const lookTimeout = 5 * time.Second

// Before is what istiod's books and the VirtualService were like before the
// VirtualService was written. The zero value knows nothing.
type Before struct {
	object release.Version
	// floors is, by process, the newest push of which anything had been sent.
	floors map[string]uint64
	// running has every process, also one whose book could not be read; nil when
	// the processes could not be listed.
	running map[string]bool
	// proxies are the IDs in all books that watch routes.
	proxies map[string]bool
	// held are the clusters of proxies that may send requests to the app.
	held []envoy.Clusters
}

// Look looks at the cluster right before the VirtualService is written, so that
// Converge can tell afterwards what istiod sent because of the write. It never
// fails: what cannot be read makes the wait read more proxies directly.
func (l *Links) Look(ctx context.Context) *Before {
	l.await(ctx)
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	b := &Before{}
	var group sync.WaitGroup
	group.Go(func() { b.object = release.ReadVersion(ctx, l.client, l.app) })
	group.Go(func() { b.look(ctx, l.books) })
	group.Wait()
	b.held = l.fleet.Held()
	return b
}

// look reads all books.
func (b *Before) look(ctx context.Context, from books) {
	b.floors, b.proxies = map[string]uint64{}, map[string]bool{}
	processes, err := from.Processes(ctx)
	if err != nil {
		return
	}
	b.running = map[string]bool{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for _, p := range processes {
		b.running[p.Key] = true
		group.Go(func() {
			records, err := from.Open(ctx, p, "")
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			b.floors[p.Key] = 0
			for _, r := range records {
				b.floors[p.Key] = max(b.floors[p.Key], r.Newest)
				if r.Sent != "" {
					b.proxies[r.Proxy] = true
				}
			}
		})
	}
	group.Wait()
}

// Blocked says because of which objects of others the proxies would answer some
// requests with 503 under a split, and what to do about it; "" when nothing is known
// to be in the way.
func (b *Before) Blocked(split release.Split) string {
	if b == nil {
		return ""
	}
	var lagging []Lagging
	for _, held := range b.held {
		if missing := held.Missing(split); len(missing) > 0 && held.Foreign != "" {
			lagging = append(lagging, Lagging{Foreign: mesh.ForeignDestinationRule(held.Foreign, missing)})
		}
	}
	return advice(lagging)
}

// taken reports whether there was a look before the write.
func (b *Before) taken() bool { return b != nil && b.running != nil }

// floor is the push of a process after which content counts as new. It is not
// known for a process whose book could not be read. A process that began later
// has never sent what was there before the write but the newest of it.
func (b *Before) floor(p istiod.Process) (version uint64, known bool) {
	if floor, ok := b.floors[p.Key]; ok {
		return floor, true
	}
	return 0, !b.running[p.Key]
}
