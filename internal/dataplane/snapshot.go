package dataplane

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"canary/internal/kube"
)

const (
	// snapshotTimeout bounds what a snapshot may cost; what is missing then is only
	// read in another way later.
	snapshotTimeout = 5 * time.Second
	// connectTimeout bounds the wait for connections, which are a convenience only.
	connectTimeout = time.Second
)

// Before is what istiod's books and the VirtualService were like before the
// VirtualService was written. The zero value knows nothing.
type Before struct {
	object version
	// floors is, by process, the newest push of which anything had been sent.
	floors map[string]uint64
	// running has every process, also one whose book could not be read; nil when
	// the processes could not be listed.
	running map[string]bool
	// proxies are the IDs in all books that watch routes.
	proxies map[string]bool
	// fleet and books keep the connections that were made before the write; nil
	// when there are none.
	fleet *clusterFleet
	books *clusterBooks
}

// version says which content an object has.
type version struct {
	uid        types.UID
	generation int64
}

// Snapshot looks at the cluster before the VirtualService is written, so that
// Converge can tell afterwards what istiod sent because of the write. It also
// connects to what Converge is going to read, and leaves that to Converge to
// close. It never fails: what cannot be read makes the wait read more proxies
// directly.
func Snapshot(ctx context.Context, c *kube.Client, app App) *Before {
	ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	b := &Before{fleet: newClusterFleet(c, app), books: newClusterBooks(c)}
	var group sync.WaitGroup
	group.Go(func() { b.object = objectVersion(ctx, c, app) })
	group.Go(func() { b.look(ctx, b.books) })
	group.Go(func() { b.fleet.connect(ctx) })
	group.Wait()
	return b
}

// look reads all books.
func (b *Before) look(ctx context.Context, from books) {
	b.floors, b.proxies = map[string]uint64{}, map[string]bool{}
	processes, err := from.processes(ctx)
	if err != nil {
		return
	}
	b.running = map[string]bool{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for _, p := range processes {
		b.running[p.key] = true
		group.Go(func() {
			records, err := from.open(ctx, p, "")
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			b.floors[p.key] = 0
			for _, r := range records {
				b.floors[p.key] = max(b.floors[p.key], r.newest)
				if r.sent != "" {
					b.proxies[r.proxy] = true
				}
			}
		})
	}
	group.Wait()
}

// taken reports whether there was a look before the write.
func (b *Before) taken() bool { return b != nil && b.running != nil }

// floor is the push of a process after which content counts as new. It is not
// known for a process whose book could not be read. A process that began later
// has never sent what was there before the write but the newest of it.
func (b *Before) floor(p process) (version uint64, known bool) {
	if floor, ok := b.floors[p.key]; ok {
		return floor, true
	}
	return 0, !b.running[p.key]
}

// objectVersion is zero when the VirtualService is not there or cannot be read.
func objectVersion(ctx context.Context, c *kube.Client, app App) version {
	object, err := c.Dynamic().Resource(virtualServices).Namespace(app.Namespace).Get(ctx, app.Name, metav1.GetOptions{})
	if err != nil {
		return version{}
	}
	return version{uid: object.GetUID(), generation: object.GetGeneration()}
}
