package converge

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"canary/internal/envoy"
	"canary/internal/istiod"
	"canary/internal/mesh"
	"canary/internal/release"
)

// delivery is one push on its way to one connection; times are from the start.
type delivery struct {
	version              int
	split                release.Split
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
	envoy.Proxy
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
	p.Namespace, p.UID = "mesh", p.Pod
	p.Ready = true
	f.proxies = append(f.proxies, p)
	return p
}

func (f *fakeMesh) named(pod string) *meshProxy {
	for _, p := range f.proxies {
		if p.Pod == pod {
			return p
		}
	}
	return nil
}

func (f *fakeMesh) List(context.Context) ([]envoy.Proxy, error) {
	var pods []envoy.Proxy
	for _, p := range f.proxies {
		if !p.outside {
			pods = append(pods, p.Proxy)
		}
	}
	return pods, nil
}

func (f *fakeMesh) Forget(envoy.Proxy) {}

func (f *fakeMesh) Others(context.Context) mesh.Others { return mesh.Others{} }

func (f *fakeMesh) Routes(_ context.Context, p envoy.Proxy) (envoy.Routes, error) {
	f.mu.Lock()
	f.reads[p.Pod]++
	f.mu.Unlock()
	time.Sleep(readTakes)
	m := f.named(p.Pod)
	switch {
	case m.outside:
		return envoy.Routes{}, errors.New("it is no pod")
	case m.notApp:
		return envoy.Routes{}, nil
	}
	return envoy.Routes{Host: true, Mesh: !p.Gateway, Splits: []release.Split{m.serves(f.since())}}, nil
}

// serves is what the proxy does at a time.
func (m *meshProxy) serves(now time.Duration) release.Split {
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

func (f *fakeMesh) Processes(context.Context) ([]istiod.Process, error) {
	var running []istiod.Process
	for _, i := range f.istiods {
		if now := f.since(); now >= i.from && (i.to == 0 || now < i.to) {
			running = append(running, istiod.Process{Key: i.key, Namespace: "istio-system", Pod: i.key})
		}
	}
	return running, nil
}

func (f *fakeMesh) Open(ctx context.Context, p istiod.Process, namespace string) ([]istiod.Record, error) {
	f.mu.Lock()
	f.opened++
	f.mu.Unlock()
	time.Sleep(openTakes)
	for _, i := range f.istiods {
		if i.key == p.Key && i.open != nil {
			if err := i.open(); err != nil {
				if errors.Is(err, context.DeadlineExceeded) {
					<-ctx.Done()
				}
				return nil, err
			}
		}
	}
	var records []istiod.Record
	for _, m := range f.proxies {
		for n, c := range m.connections {
			now := f.since()
			if c.process == p.Key && now >= c.from && (c.to == 0 || now < c.to) && (namespace == "" || namespace == m.Namespace) {
				records = append(records, c.record(m, n, now))
			}
		}
	}
	return records, nil
}

func (c connection) record(m *meshProxy, n int, now time.Duration) istiod.Record {
	r := istiod.Record{Proxy: m.ID(), Router: m.Gateway || m.router}
	for _, d := range c.deliveries {
		nonce := fmt.Sprintf("2026-01-02T03:04:05Z/%d%-36s", d.version, fmt.Sprintf("%s-%d", m.Pod, n))
		if d.sent <= now {
			r.Sent = nonce
			r.Newest = max(r.Newest, uint64(d.version))
		}
		switch {
		case d.acked > now:
		case d.refused:
			r.Refused = true
		case r.Sent == nonce: // istiod ignores what answers an older push
			r.Acked, r.Refused = nonce, false
		}
	}
	r.Settled = r.Sent == r.Acked && !r.Refused
	return r
}

// at is a push that is applied and acknowledged a few milliseconds later.
func at(sent time.Duration, version int, split release.Split) delivery {
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
