package converge

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"canary/internal/envoy"
	"canary/internal/istiod"
)

// fewProxies is up to how many proxies are all read directly: cheaper than the
// books, and never less sure.
const fewProxies = 16

// consult makes the wait use istiod's books when there are many proxies, or
// proxies that are no pods of this cluster. written says whether the
// VirtualService differs from the one before; if not, no proxy is going to be
// sent anything, and only what it serves counts.
func (c *convergence) consult(b books, before *Before, written func(context.Context) bool) {
	c.books, c.before, c.written = b, before, written
}

// openLedger decides on the books as soon as the proxies are known, and keeps
// them up to date.
func (c *convergence) openLedger(ctx context.Context) {
	if c.ledger == nil {
		if c.books == nil || c.listed.IsZero() || (c.pods() <= fewProxies && !c.outsiders()) {
			return
		}
		if !c.written(ctx) {
			c.books = nil
			return
		}
		c.ledger = newLedger(c.books, c.before)
		// Both take connections to be opened, so they are done at once.
		var group sync.WaitGroup
		group.Go(func() { c.read(ctx, c.gateways()) })
		group.Go(func() { c.ledger.refresh(ctx) })
		group.Wait()
	}
	c.ledger.refresh(ctx)
	c.adopt()
}

func (c *convergence) gateways() []*member {
	var gateways []*member
	for _, m := range c.members {
		if m.Gateway {
			gateways = append(gateways, m)
		}
	}
	return gateways
}

func (c *convergence) pods() int {
	n := 0
	for _, m := range c.members {
		if !m.outside {
			n++
		}
	}
	return n
}

// outsiders reports whether istiod knew proxies that are none of the pods.
func (c *convergence) outsiders() bool {
	ids := c.podIDs()
	for id := range c.before.proxies {
		if ids[id] == nil {
			return true
		}
	}
	return false
}

func (c *convergence) podIDs() map[string]*member {
	ids := map[string]*member{}
	for _, m := range c.members {
		if !m.outside {
			ids[m.ID()] = m
		}
	}
	return ids
}

// adopt takes the proxies that only the books know into the set, and lets go of
// those that have left, or that turn out to be pods.
func (c *convergence) adopt() {
	const prefix = "istiod/"
	ids, watchers := c.podIDs(), c.ledger.watchers()
	for uid, m := range c.members {
		if m.outside && (!watchers[m.ID()] || ids[m.ID()] != nil) {
			delete(c.members, uid)
		}
	}
	for id := range watchers {
		if ids[id] == nil && c.members[prefix+id] == nil {
			namespace, pod := istiod.SplitID(id)
			c.members[prefix+id] = &member{outside: true, Proxy: envoy.Proxy{Namespace: namespace, Pod: pod, UID: prefix + id, Ready: true}}
		}
	}
}

// due lists the members to read directly in this round.
func (c *convergence) due() []*member {
	var due []*member
	all := c.ledger == nil || c.pods() <= fewProxies
	waiting := map[string]*member{} // for the books' word, by ID
	for _, m := range c.members {
		switch {
		case m.settled || m.outside:
		case all, m.Gateway, m.Ending, !m.Ready, c.ledger.helpless(m.ID()):
			due = append(due, m)
		default:
			waiting[m.ID()] = m
		}
	}
	if c.ledger != nil {
		due = append(due, c.ledger.references(waiting)...)
	}
	return due
}

// references picks a few members per istiod that has none yet which holds the
// split; others in the next round.
func (l *ledger) references(waiting map[string]*member) []*member {
	picked := map[string]*member{}
	for _, a := range l.accounts {
		if !a.usable || a.version > 0 {
			continue
		}
		var ids []string
		for id := range a.records {
			if waiting[id] != nil {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
		for range min(references, len(ids)) {
			id := ids[a.turn%len(ids)]
			picked[id] = waiting[id]
			a.turn++
		}
	}
	var members []*member
	for _, m := range picked {
		members = append(members, m)
	}
	return members
}

// useLedger reads the books where that can tell something, and settles the
// members that they confirm.
func (c *convergence) useLedger(ctx context.Context) {
	holders, lagging := c.holders(), c.waitingFor()
	if len(lagging) > 0 {
		c.ledger.each(func(a *account) {
			switch {
			case !a.usable:
			case a.version > 0:
				c.ledger.open(ctx, a)
			default:
				c.anchor(ctx, a, holders)
			}
		})
	}
	for _, m := range lagging {
		switch {
		case c.ledger.confirms(m.ID()):
			m.settled, m.acknowledged = true, true
		case m.outside:
			m.untouched = c.ledger.untouched(m.ID())
		}
	}
}

// anchor tries the next of the proxies in a book that were seen to hold the
// split, so that one which never gets a new push does not stand in the way.
func (c *convergence) anchor(ctx context.Context, a *account, holders []*member) {
	candidates := slices.DeleteFunc(slices.Clone(holders), func(m *member) bool { return a.records[m.ID()] == nil })
	if len(candidates) == 0 {
		return
	}
	if a.held.IsZero() {
		a.held = time.Now()
	}
	m := candidates[a.tries%len(candidates)]
	a.tries++
	c.ledger.anchor(ctx, a, m, func() bool {
		readCtx, cancel := context.WithTimeout(ctx, readTimeout)
		defer cancel()
		r, err := c.fleet.Routes(readCtx, m.Proxy)
		return err == nil && r.Holds(c.want)
	})
}

// holders are the pods that were seen to hold the split, the app's gateways
// first: they are sure to be sent every change of it.
func (c *convergence) holders() []*member {
	var holders []*member
	for _, m := range c.members {
		if m.settled && m.seen.Holds(c.want) {
			holders = append(holders, m)
		}
	}
	slices.SortFunc(holders, func(a, b *member) int {
		if a.Gateway != b.Gateway {
			if a.Gateway {
				return -1
			}
			return 1
		}
		return strings.Compare(a.ID(), b.ID())
	})
	return holders
}

// waitingFor are the members that the books may settle.
func (c *convergence) waitingFor() []*member {
	var waiting []*member
	for _, m := range c.members {
		if !m.settled && !m.Gateway {
			waiting = append(waiting, m)
		}
	}
	return waiting
}
