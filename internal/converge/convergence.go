package converge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"canary/internal/envoy"
	"canary/internal/kube"
	"canary/internal/mesh"
	"canary/internal/release"
)

const (
	firstPause  = 20 * time.Millisecond  // between two reads of a proxy that lags, at first
	eager       = 2 * time.Second        // how long that stays so
	longPause   = 250 * time.Millisecond // the same after a while
	maxPause    = 2 * time.Second        // the same when reading takes long
	relistAfter = time.Second            // how old the set of proxies may become
	// When a proxy could not be read it may have ended: look again soon.
	relistAfterFailure = 200 * time.Millisecond
	readTimeout        = 5 * time.Second
	concurrentReads    = 16
	// gatewayStart is how long a gateway that starts is waited for, also beyond the
	// timeout, which is for proxies that serve: it needs istiod first, which may be
	// starting too.
	gatewayStart = 3 * time.Minute
)

// fleet is the proxies of a cluster.
type fleet interface {
	// List gives the proxies that run now.
	List(ctx context.Context) ([]envoy.Proxy, error)
	// Routes asks a proxy what it serves; it is called concurrently.
	Routes(ctx context.Context, p envoy.Proxy) (envoy.Routes, error)
	// Forget says that a proxy is gone.
	Forget(p envoy.Proxy)
	// Others reads the objects of others that may keep the app's own from the proxies.
	Others(ctx context.Context) mesh.Others
}

// convergence is one wait. It goes in rounds: proxies that are not settled are
// read, and where there are many, istiod's books settle most of them.
type convergence struct {
	fleet  fleet
	app    release.App
	want   release.Split
	report func(string)

	members  map[string]*member // by pod UID
	listed   time.Time          // zero: never
	failed   bool               // a read of the last round failed
	outage   kube.Outage
	lastLine string
	others   *mesh.Others // nil: not read, since nothing was wrong

	// Of these, the first three are nil when the books are not to be consulted.
	books   books
	before  *Before
	written func(context.Context) bool
	ledger  *ledger // nil until it is known to be of use
}

func newConvergence(f fleet, app release.App, want release.Split, report func(string)) *convergence {
	if report == nil {
		report = func(string) {}
	}
	return &convergence{fleet: f, app: app, want: want, report: report, members: map[string]*member{}}
}

func (c *convergence) wait(ctx context.Context, timeout time.Duration) (Converged, error) {
	start := time.Now()
	converged, err := c.until(ctx, start, timeout)
	if lag := new(LagError); errors.As(err, &lag) && timeout < gatewayStart && c.gatewayStarts() {
		return c.until(ctx, start, gatewayStart)
	}
	return converged, err
}

// until goes on for so long after the start.
func (c *convergence) until(parent context.Context, start time.Time, timeout time.Duration) (Converged, error) {
	ctx, cancel := context.WithDeadlineCause(parent, start.Add(timeout), errConvergeTimeout)
	defer cancel()
	pause := firstPause
	for {
		began := time.Now()
		done := c.settled()
		if err := c.round(ctx); err != nil {
			return Converged{}, err
		}
		if parent.Err() != nil {
			return Converged{}, fmt.Errorf("waiting for the proxies to serve %v: %w", c.want, context.Cause(parent))
		}
		if t := c.tally(); c.converged(t) {
			c.progress()
			return Converged{Proxies: t.serving, Untouched: t.untouched, Elapsed: time.Since(start)}, nil
		}
		if ctx.Err() != nil {
			return Converged{}, c.lag(timeout)
		}
		if waited := time.Since(start); waited >= eager && c.hopeless(ctx) {
			return Converged{}, c.lag(waited.Round(time.Second))
		}
		c.progress()
		// Reading must not become the load that it waits for: rest at least half
		// as long as it took.
		rest := max(pause, min(time.Since(began)/2, maxPause))
		switch {
		case c.settled() > done:
			pause = firstPause // the push is at work, so the rest is not far
		case time.Since(start) >= eager:
			pause = min(pause*3/2, longPause)
		}
		select {
		case <-ctx.Done():
		case <-time.After(rest):
		}
	}
}

// gatewayStarts reports whether all that is missing is a gateway's pod that runs and
// is not ready yet, as after its node came back.
func (c *convergence) gatewayStarts() bool {
	t := c.tally()
	return c.outage.Err == nil && len(t.lagging) == 0 && t.gateways == 0 && len(t.starting) > 0
}

// hopeless reports whether a proxy lags because of an object of somebody else: no
// wait helps against it. The objects that the proxies do not name themselves are
// read once, and only when a gateway lags.
func (c *convergence) hopeless(ctx context.Context) bool {
	lagging := c.tally().lagging
	if c.others == nil && slices.ContainsFunc(lagging, (*member).shut) {
		c.others = new(c.fleet.Others(ctx))
	}
	return slices.ContainsFunc(lagging, func(m *member) bool { return m.foreign(c.app, c.others) != mesh.Foreign{} })
}

// round renews the set when that is due and reads what lags.
func (c *convergence) round(ctx context.Context) error {
	if err := c.refresh(ctx); err != nil {
		return err
	}
	c.openLedger(ctx)
	c.read(ctx, c.due())
	if c.ledger != nil {
		c.useLedger(ctx)
	}
	c.failed = false
	for _, m := range c.members {
		c.failed = c.failed || m.err != nil
	}
	return nil
}

// read reads members directly.
func (c *convergence) read(ctx context.Context, members []*member) {
	readEach(ctx, members, func(readCtx context.Context, _ int, m *member) {
		r, err := c.fleet.Routes(readCtx, m.Proxy)
		if err == nil || ctx.Err() == nil { // what was known before says more than "cancelled"
			m.update(r, err, c.want)
		}
	})
}

// readEach calls read for every one of some proxies, for a few at the same time
// and each with its own timeout.
func readEach[P any](ctx context.Context, proxies []P, read func(ctx context.Context, i int, p P)) {
	var group errgroup.Group
	group.SetLimit(concurrentReads)
	for i, p := range proxies {
		group.Go(func() error {
			readCtx, cancel := context.WithTimeout(ctx, readTimeout)
			defer cancel()
			read(readCtx, i, p)
			return nil
		})
	}
	_ = group.Wait()
}

func (c *convergence) refresh(ctx context.Context) error {
	age := relistAfter
	if c.failed {
		age = relistAfterFailure
	}
	if !c.listed.IsZero() && time.Since(c.listed) < age {
		return nil
	}
	proxies, err := c.fleet.List(ctx)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the caller says why the wait ends
	}
	if c.outage.Lasts(err) {
		return fmt.Errorf("waiting for the proxies to serve %v: %w", c.want, err)
	}
	if err != nil {
		return nil //nolint:nilerr // it may pass: the next turn asks again
	}
	c.listed = time.Now()
	running := make(map[string]bool, len(proxies))
	for _, p := range proxies {
		running[p.UID] = true
		if m, ok := c.members[p.UID]; ok {
			m.Proxy = p
		} else {
			c.members[p.UID] = &member{Proxy: p}
		}
	}
	for uid, m := range c.members {
		if !running[uid] && !m.outside {
			delete(c.members, uid)
			c.fleet.Forget(m.Proxy)
		}
	}
	return nil
}

func (c *convergence) progress() {
	t := c.tally()
	line := fmt.Sprintf("%d of %d proxies serve %s", t.serving, t.serving+len(t.lagging), c.want.Short())
	if c.gatewayStarts() {
		line += ", and the ingress gateway starts"
	}
	if line != c.lastLine {
		c.lastLine = line
		c.report(line)
	}
}

// settled is how many members need no more reading.
func (c *convergence) settled() int {
	n := 0
	for _, m := range c.members {
		if m.settled {
			n++
		}
	}
	return n
}

var errConvergeTimeout = errors.New("converge timeout")
