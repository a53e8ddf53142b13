package dataplane

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

// delivery is one push on its way to one connection; times are from the start.
type delivery struct {
	version              int
	split                Split
	sent, applied, acked time.Duration
	refused              bool // the proxy keeps what it has
}

// connection is one line in one istiod's book.
type connection struct {
	process    string
	from, to   time.Duration // to 0: for good
	deliveries []delivery    // in order; none: it watches no routes
}

// meshProxy is a proxy with its connections. What it serves follows from what
// is delivered to it.
type meshProxy struct {
	proxy
	outside, router bool
	notApp          bool
	connections     []connection
}

// istiodRun is a process; to 0: it runs for good.
type istiodRun struct {
	key      string
	from, to time.Duration
	open     func() error
}

// fakeMesh is a mesh whose proxies and istiods behave as told. It is both the
// fleet and the books.
type fakeMesh struct {
	start   time.Time
	proxies []*meshProxy
	istiods []istiodRun

	mu     sync.Mutex
	reads  map[string]int
	opened int
}

const (
	readTakes = 3 * time.Millisecond
	openTakes = 5 * time.Millisecond
)

func newFakeMesh(istiods ...istiodRun) *fakeMesh {
	return &fakeMesh{start: time.Now(), istiods: istiods, reads: map[string]int{}}
}

func (f *fakeMesh) since() time.Duration { return time.Since(f.start) }

// add puts a proxy in; a pod's name is enough.
func (f *fakeMesh) add(p *meshProxy) *meshProxy {
	p.namespace, p.uid = "mesh", p.pod
	p.ready = true
	f.proxies = append(f.proxies, p)
	return p
}

func (f *fakeMesh) named(pod string) *meshProxy {
	for _, p := range f.proxies {
		if p.pod == pod {
			return p
		}
	}
	return nil
}

func (f *fakeMesh) list(context.Context) ([]proxy, error) {
	var pods []proxy
	for _, p := range f.proxies {
		if !p.outside {
			pods = append(pods, p.proxy)
		}
	}
	return pods, nil
}

func (f *fakeMesh) forget(proxy) {}

func (f *fakeMesh) read(_ context.Context, p proxy) (served, error) {
	f.mu.Lock()
	f.reads[p.pod]++
	f.mu.Unlock()
	time.Sleep(readTakes)
	m := f.named(p.pod)
	switch {
	case m.outside:
		return served{}, errors.New("it is no pod")
	case m.notApp:
		return served{}, nil
	}
	return served{host: true, mesh: !p.gateway, splits: []Split{m.serves(f.since())}}, nil
}

// serves is what the proxy does at a time.
func (m *meshProxy) serves(now time.Duration) Split {
	split, at := before, time.Duration(math.MinInt64)
	for _, c := range m.connections {
		for _, d := range c.deliveries {
			if d.applied <= now && d.applied > at && !d.refused {
				split, at = d.split, d.applied
			}
		}
	}
	return split
}

func (f *fakeMesh) processes(context.Context) ([]process, error) {
	var running []process
	for _, i := range f.istiods {
		if now := f.since(); now >= i.from && (i.to == 0 || now < i.to) {
			running = append(running, process{key: i.key, namespace: "istio-system", pod: i.key})
		}
	}
	return running, nil
}

func (f *fakeMesh) open(ctx context.Context, p process, namespace string) ([]record, error) {
	f.mu.Lock()
	f.opened++
	f.mu.Unlock()
	time.Sleep(openTakes)
	for _, i := range f.istiods {
		if i.key == p.key && i.open != nil {
			if err := i.open(); err != nil {
				if errors.Is(err, context.DeadlineExceeded) {
					<-ctx.Done()
				}
				return nil, err
			}
		}
	}
	var records []record
	for _, m := range f.proxies {
		for n, c := range m.connections {
			now := f.since()
			if c.process == p.key && now >= c.from && (c.to == 0 || now < c.to) && (namespace == "" || namespace == m.namespace) {
				records = append(records, c.record(m, n, now))
			}
		}
	}
	return records, nil
}

func (c connection) record(m *meshProxy, n int, now time.Duration) record {
	r := record{proxy: m.id(), router: m.gateway || m.router}
	for _, d := range c.deliveries {
		nonce := fmt.Sprintf("2026-01-02T03:04:05Z/%d%-36s", d.version, fmt.Sprintf("%s-%d", m.pod, n))
		if d.sent <= now {
			r.sent = nonce
			r.newest = max(r.newest, uint64(d.version))
		}
		switch {
		case d.acked > now:
		case d.refused:
			r.refused = true
		case r.sent == nonce: // istiod ignores what answers an older push
			r.acked, r.refused = nonce, false
		}
	}
	r.settled = r.sent == r.acked && !r.refused
	return r
}

// at is a push that is applied and acknowledged a few milliseconds later.
func at(sent time.Duration, version int, split Split) delivery {
	return delivery{version: version, split: split, sent: sent, applied: sent + 2*time.Millisecond, acked: sent + 4*time.Millisecond}
}

// long before the wait begins.
const longAgo = -time.Hour

func sumReads(f *fakeMesh, except ...string) int {
	sum := 0
	for pod, n := range f.reads {
		skip := false
		for _, e := range except {
			skip = skip || e == pod
		}
		if !skip {
			sum += n
		}
	}
	return sum
}
