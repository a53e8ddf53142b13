package dataplane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	firstPause  = 20 * time.Millisecond  // between two reads of a proxy that lags, at first
	longPause   = 250 * time.Millisecond // the same after a while
	maxPause    = 2 * time.Second        // the same when reading takes long
	relistAfter = time.Second            // how old the set of proxies may become
	// When a proxy could not be read it may have ended: look again soon.
	relistAfterFailure = 200 * time.Millisecond
	readTimeout        = 5 * time.Second
	concurrentReads    = 16
)

// fleet is the proxies of a cluster.
type fleet interface {
	// list gives the proxies that run now.
	list(ctx context.Context) ([]proxy, error)
	// read asks a proxy what it serves; it is called concurrently.
	read(ctx context.Context, p proxy) (served, error)
	// forget says that a proxy is gone.
	forget(p proxy)
}

// member is a proxy of the set and what is known about it.
type member struct {
	proxy
	seen    served
	err     error // why the last read failed
	settled bool  // holds the split, or does not serve the app: read no more
}

// exempt reports whether the rule does not wait for the proxy (see the package
// comment): it has ended, or it serves nobody yet.
func (m *member) exempt() bool {
	if m.err != nil {
		return m.ending || !m.ready
	}
	return !m.ready && !m.seen.present()
}

// update takes in the result of a read.
func (m *member) update(s served, err error, want Split) {
	m.seen, m.err = s, err
	switch {
	case err != nil:
		m.settled = false
	case m.gateway:
		m.settled = s.host && s.holds(want)
	default:
		m.settled = !s.present() || s.holds(want)
	}
}

// convergence is one wait. It goes in rounds: every proxy that is not settled
// is read; a way to settle many at once (istiod's own book of what each proxy
// acknowledged) would go before that, in round.
type convergence struct {
	fleet  fleet
	want   Split
	report func(string)

	members  map[string]*member // by pod UID
	listed   time.Time          // zero: never
	failed   bool               // a read of the last round failed
	outage   outage
	lastLine string
}

func newConvergence(f fleet, want Split, report func(string)) *convergence {
	if report == nil {
		report = func(string) {}
	}
	return &convergence{fleet: f, want: want, report: report, members: map[string]*member{}}
}

func (c *convergence) wait(parent context.Context, timeout time.Duration) (Converged, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeoutCause(parent, timeout, errConvergeTimeout)
	defer cancel()
	pause := firstPause
	for {
		began := time.Now()
		if err := c.round(ctx); err != nil {
			return Converged{}, err
		}
		if parent.Err() != nil {
			return Converged{}, fmt.Errorf("waiting for the proxies to serve %v: %w", c.want, context.Cause(parent))
		}
		if c.converged() {
			c.progress()
			return Converged{Proxies: c.tally().serving, Elapsed: time.Since(start)}, nil
		}
		if ctx.Err() != nil {
			return Converged{}, c.lag(timeout)
		}
		c.progress()
		// Reading must not become the load that it waits for: rest at least as
		// long as it took.
		rest := max(pause, min(time.Since(began), maxPause))
		pause = min(pause*3/2, longPause)
		select {
		case <-ctx.Done():
		case <-time.After(rest):
		}
	}
}

// round renews the set when that is due and reads every proxy that lags.
func (c *convergence) round(ctx context.Context) error {
	if err := c.refresh(ctx); err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(concurrentReads)
	for _, m := range c.members {
		if m.settled {
			continue
		}
		group.Go(func() error {
			readCtx, cancel := context.WithTimeout(ctx, readTimeout)
			defer cancel()
			s, err := c.fleet.read(readCtx, m.proxy)
			if err == nil || ctx.Err() == nil { // what was known before says more than "cancelled"
				m.update(s, err, c.want)
			}
			return nil
		})
	}
	_ = group.Wait()
	c.failed = false
	for _, m := range c.members {
		c.failed = c.failed || m.err != nil
	}
	return nil
}

func (c *convergence) refresh(ctx context.Context) error {
	age := relistAfter
	if c.failed {
		age = relistAfterFailure
	}
	if !c.listed.IsZero() && time.Since(c.listed) < age {
		return nil
	}
	proxies, err := c.fleet.list(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if c.outage.lasts(err) {
		return fmt.Errorf("waiting for the proxies to serve %v: %w", c.want, err)
	}
	if err != nil {
		return nil
	}
	c.listed = time.Now()
	running := make(map[string]bool, len(proxies))
	for _, p := range proxies {
		running[p.uid] = true
		if m, ok := c.members[p.uid]; ok {
			m.proxy = p
		} else {
			c.members[p.uid] = &member{proxy: p}
		}
	}
	for uid, m := range c.members {
		if !running[uid] {
			delete(c.members, uid)
			c.fleet.forget(m.proxy)
		}
	}
	return nil
}

func (c *convergence) converged() bool {
	t := c.tally()
	return !c.listed.IsZero() && len(t.lagging) == 0 && t.gateways > 0
}

// tally counts the members by the rule.
type tally struct {
	serving  int // hold the split
	gateways int // of those, the app's gateways
	lagging  []*member
}

func (c *convergence) tally() tally {
	var t tally
	for _, m := range c.members {
		switch {
		case m.settled && m.seen.present():
			t.serving++
			if m.gateway {
				t.gateways++
			}
		case !m.settled && !m.exempt():
			t.lagging = append(t.lagging, m)
		}
	}
	return t
}

func (c *convergence) progress() {
	t := c.tally()
	line := fmt.Sprintf("%d of %d proxies serve %s", t.serving, t.serving+len(t.lagging), c.want.Short())
	if line != c.lastLine {
		c.lastLine = line
		c.report(line)
	}
}

var errConvergeTimeout = errors.New("converge timeout")
