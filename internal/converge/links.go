package converge

import (
	"context"
	"sync"
	"time"

	"canary/internal/envoy"
	"canary/internal/istiod"
	"canary/internal/kube"
	"canary/internal/release"
)

// connectTimeout bounds the wait for connections, which are a convenience only.
const connectTimeout = time.Second

// Links are connections to the proxies and the istiods of a cluster, for one app.
// They are opened by the first use and kept until Close. Open does it beforehand.
type Links struct {
	client *kube.Client
	app    release.App
	fleet  *envoy.Admin
	books  *istiod.Books
	opened chan struct{} // nil unless Open was called; closed when it is over
}

// NewLinks prepares connections; it does no I/O.
func NewLinks(c *kube.Client, app release.App) *Links {
	return &Links{client: c, app: app, fleet: envoy.NewAdmin(c, app), books: istiod.NewBooks(c)}
}

// Open connects, in the background, to what a wait is going to read: a connection
// takes several turns to the API server and back, which is long when that is far
// away. To be called before anything else, and once.
func (l *Links) Open(ctx context.Context) {
	l.opened = make(chan struct{})
	go func() {
		defer close(l.opened)
		var group sync.WaitGroup
		group.Go(func() { l.fleet.Connect(ctx, fewProxies) })
		group.Go(func() { l.books.Connect(ctx, l.app.Namespace) })
		group.Wait()
	}()
}

// await waits, but not for long, for what Open began: connecting twice takes longer.
func (l *Links) await(ctx context.Context) {
	if l.opened == nil {
		return
	}
	select {
	case <-l.opened:
	case <-ctx.Done():
	case <-time.After(connectTimeout):
	}
}

// Close ends the connections.
func (l *Links) Close() {
	l.fleet.Close()
	l.books.Close()
}
