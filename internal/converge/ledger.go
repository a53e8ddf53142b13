package converge

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"canary/internal/istiod"
)

const (
	// bookPatience is how long the books may leave a proxy unconfirmed, once
	// another proxy of the same istiod was seen to hold the split.
	bookPatience = time.Second
	// noReferencePatience is the same when no such proxy was seen.
	noReferencePatience = 5 * time.Second
	// bookTimeout bounds one reading of a book.
	bookTimeout = 3 * time.Second
	// references is how many proxies per istiod, besides the app's gateways, are
	// read directly in a round to find one that holds the split.
	references = 2
)

// books are istiod's records of what each proxy acknowledged.
type books interface {
	// Processes gives the istiods that run now.
	Processes(ctx context.Context) ([]istiod.Process, error)
	// Open reads one process's book; namespace "" means all of it. It is called
	// concurrently.
	Open(ctx context.Context, p istiod.Process, namespace string) ([]istiod.Record, error)
}

// ledger extends what is known of a few proxies to many by istiod's books: the
// rule in the package comment.
type ledger struct {
	books    books
	before   *Before
	start    time.Time
	listed   time.Time
	accounts map[string]*account // by process
}

// account is one istiod process and what is known from its book.
type account struct {
	istiod.Process
	floor   uint64 // pushes up to this one began before the write
	usable  bool   // its floor is known and its book can be read
	opened  time.Time
	records map[string][]istiod.Record // by proxy; of the last complete reading

	version uint64    // the first push known to have the split; 0: none yet
	held    time.Time // when a proxy in the book was first seen to hold the split
	changed time.Time // when the book last differed from the reading before
	turn    int       // next of the proxies to read directly
	tries   int       // proxies tried as reference
}

func newLedger(b books, before *Before) *ledger {
	return &ledger{books: b, before: before, start: time.Now(), accounts: map[string]*account{}}
}

// refresh renews the list of processes and the books when they are old.
func (l *ledger) refresh(ctx context.Context) {
	if l.listed.IsZero() || time.Since(l.listed) >= relistAfter {
		processes, err := l.books.Processes(ctx)
		if err == nil {
			l.listed = time.Now()
			l.take(processes)
		}
	}
	l.each(func(a *account) {
		if a.usable && (a.opened.IsZero() || time.Since(a.opened) >= relistAfter) {
			l.open(ctx, a)
		}
	})
}

func (l *ledger) take(processes []istiod.Process) {
	running := map[string]bool{}
	for _, p := range processes {
		running[p.Key] = true
		if l.accounts[p.Key] == nil {
			floor, known := l.before.floor(p)
			l.accounts[p.Key] = &account{Process: p, floor: floor, usable: known, changed: time.Now()}
		}
	}
	maps.DeleteFunc(l.accounts, func(key string, _ *account) bool { return !running[key] })
}

func (l *ledger) each(do func(*account)) {
	var group sync.WaitGroup
	for _, a := range l.accounts {
		group.Go(func() { do(a) })
	}
	group.Wait()
}

// open reads a whole book. One that cannot be read is empty: its proxies are
// then in no book. One that hangs is not tried again, or it would be what the
// wait waits for.
func (l *ledger) open(parent context.Context, a *account) {
	ctx, cancel := context.WithTimeout(parent, bookTimeout)
	defer cancel()
	list, err := l.books.Open(ctx, a.Process, "")
	if err != nil && parent.Err() != nil {
		return // what was known before says more
	}
	a.usable = err == nil || ctx.Err() == nil
	a.opened = time.Now()
	records := map[string][]istiod.Record{}
	for _, r := range list {
		records[r.Proxy] = append(records[r.Proxy], r)
	}
	if !maps.EqualFunc(records, a.records, slices.Equal) {
		a.changed = a.opened
	}
	a.records = records
}

// anchor reads a proxy that holds the split once more, between two readings of
// the book with the same acknowledged push: that push then has the split, and so
// has every later one.
func (l *ledger) anchor(ctx context.Context, a *account, m *member, holds func() bool) {
	opening, err := l.openPart(ctx, a, m.Namespace)
	if err != nil {
		return
	}
	first, ok := only(opening, m.ID())
	if !ok || !holds() {
		return
	}
	l.open(ctx, a)
	second, ok := only(a.records[m.ID()], m.ID())
	if !ok || first.Acked != second.Acked {
		return
	}
	if version, _ := second.Current(); version > a.floor {
		a.version = version
	}
}

func (l *ledger) openPart(ctx context.Context, a *account, namespace string) ([]istiod.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, bookTimeout)
	defer cancel()
	return l.books.Open(ctx, a.Process, namespace)
}

// only is a proxy's record when it has one alone, with everything acknowledged.
func only(records []istiod.Record, id string) (istiod.Record, bool) {
	var found []istiod.Record
	for _, r := range records {
		if r.Proxy == id {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		return istiod.Record{}, false
	}
	_, ok := found[0].Current()
	return found[0], ok
}

// confirms reports whether the books say that a proxy holds the split: all of
// its connections have acknowledged a push that has it.
func (l *ledger) confirms(id string) bool {
	entries := 0
	for _, a := range l.accounts {
		for _, r := range a.records[id] {
			entries++
			version, ok := r.Current()
			if !a.usable || a.version == 0 || !ok || version < a.version {
				return false
			}
		}
	}
	return entries > 0
}

// helpless reports whether the books cannot say anything about a proxy's split,
// or have not for too long, so that it has to be read directly.
func (l *ledger) helpless(id string) bool {
	if time.Since(l.start) >= noReferencePatience {
		return true
	}
	entries := 0
	for _, a := range l.accounts {
		for _, r := range a.records[id] {
			entries++
			if !a.usable || r.Router || r.Sent == "" || r.Refused {
				return true
			}
			if !a.held.IsZero() && time.Since(a.held) >= bookPatience {
				return true
			}
		}
	}
	return entries == 0
}

// untouched reports whether istiod had nothing to send to a proxy because of the
// write: the proxy has acknowledged everything, and its istiod has long been
// done with the push.
func (l *ledger) untouched(id string) bool {
	entries := 0
	for _, a := range l.accounts {
		for _, r := range a.records[id] {
			entries++
			quiet := a.version > 0 && r.Settled && time.Since(a.changed) >= bookPatience
			if version, ok := r.Current(); !quiet || !ok || version >= a.version {
				return false
			}
		}
	}
	return entries > 0
}

// watchers are the IDs in all books that watch routes.
func (l *ledger) watchers() map[string]bool {
	ids := map[string]bool{}
	for _, a := range l.accounts {
		for id, records := range a.records {
			for _, r := range records {
				if r.Sent != "" {
					ids[id] = true
				}
			}
		}
	}
	return ids
}
