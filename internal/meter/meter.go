// Package meter counts the requests of both subsets, every one, by the counters of the
// proxies that sent them. Between two moments the counts are exact differences: there is
// no interval of a scrape, and no rate over a window.
package meter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"canary/internal/envoy"
	"canary/internal/judge"
	"canary/internal/release"
)

const (
	readTimeout = 3 * time.Second // of one proxy
	// timesPause is the least time between two reads of how long requests took, which the
	// stack's ingress gateway brings up to date every second, and others every five.
	timesPause = 500 * time.Millisecond
)

// Proxies are what is read; envoy.Admin is them.
type Proxies interface {
	List(ctx context.Context) ([]envoy.Proxy, error)
	Endpoints(ctx context.Context, p envoy.Proxy) ([]envoy.Endpoint, error)
	Times(ctx context.Context, p envoy.Proxy) (map[string]envoy.Times, error)
}

// Reading is what was counted since Begin.
type Reading struct {
	Stable, Canary judge.Counts
	// Times is how long the requests took, by subset; one is missing when no proxy tells.
	Times map[string]envoy.Times
	// Before is how long the requests to stable took which the proxies sent before Begin, and
	// Lately how long those of them which they sent since the Begin before it, if there was one.
	Before, Lately envoy.Times
	// Unread are the proxies that could not be read this time, each with the reason: what
	// they count comes with a later reading.
	Unread []string
	// Gaps are moments of which counts are missing for good, in words.
	Gaps []string
	// Doubts are why the counts may be too old or too few to pass a step now, in words.
	Doubts []string
}

// Meter reads the proxies again and again. It is not safe for concurrent use.
type Meter struct {
	proxies Proxies
	last    map[string]*seen // by UID of the proxy's pod
	begun   bool
	timed   time.Time // when the times were read last
	reading Reading
}

// seen is a proxy as it was read last.
type seen struct {
	name      string
	endpoints map[endpoint]envoy.Endpoint // nil when it was not read yet
	times     map[string]envoy.Times      // likewise, by subset
	// old is whether the proxy may have counted before Begin what it counts now.
	old bool
}

type endpoint struct{ subset, address string }

// New is a meter that has not read anything.
func New(proxies Proxies) *Meter {
	return &Meter{proxies: proxies, last: map[string]*seen{}, reading: nothing()}
}

func nothing() Reading {
	return Reading{Times: map[string]envoy.Times{}, Before: envoy.Times{}}
}

// Begin takes what the proxies have counted so far as nothing.
func (m *Meter) Begin(ctx context.Context) (Reading, error) {
	m.timed = time.Time{}
	_, err := m.Read(ctx)
	lately := m.reading.Times[release.Stable]
	m.begun, m.reading = true, nothing()
	m.reading.Lately = lately
	for _, proxy := range m.last {
		proxy.old = proxy.endpoints == nil
		m.reading.Before.Add(proxy.times[release.Stable])
	}
	return m.reading, err
}

// Read adds what the proxies have counted since the reading before. A proxy that came
// after Begin counts from nothing, and so does one whose counters fell, since it was
// started anew. The error says that the proxies could not be listed, or that
// one of them never counts.
func (m *Meter) Read(ctx context.Context) (Reading, error) {
	proxies, err := m.proxies.List(ctx)
	if err != nil {
		return m.reading, err
	}
	proxies = slices.DeleteFunc(proxies, func(p envoy.Proxy) bool { return !p.MayCall() })
	pages, errs := make([][]envoy.Endpoint, len(proxies)), make([]error, len(proxies))
	times := make([]map[string]envoy.Times, len(proxies))
	timed := time.Since(m.timed) >= timesPause
	var group sync.WaitGroup
	for i, p := range proxies {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, readTimeout)
			defer cancel()
			pages[i], errs[i] = m.proxies.Endpoints(ctx, p)
			if timed && errs[i] == nil {
				times[i], errs[i] = m.proxies.Times(ctx, p)
			}
		})
	}
	group.Wait()
	if timed {
		m.timed = time.Now()
	}
	m.reading.Unread = nil
	var never error
	gone := maps.Clone(m.last)
	for i, p := range proxies {
		delete(gone, p.UID)
		proxy := m.last[p.UID]
		if proxy == nil {
			proxy = &seen{name: p.String(), old: !m.begun}
			m.last[p.UID] = proxy
		}
		if errs[i] != nil {
			if p.TakesRequests() {
				if errors.Is(errs[i], envoy.ErrNotKept) {
					never = fmt.Errorf("proxy %s: %w", p, errs[i])
				}
				m.reading.Unread = append(m.reading.Unread, fmt.Sprintf("%s (%v)", p, errs[i]))
			}
			continue
		}
		if timed {
			m.addTimes(proxy, times[i]) // before what add says about the proxy
		}
		m.add(proxy, pages[i])
	}
	for uid, proxy := range gone {
		if proxy.endpoints != nil && m.begun {
			m.reading.Gaps = append(m.reading.Gaps, "proxy "+proxy.name+" ended: what it counted after the reading before is missing")
		}
		delete(m.last, uid)
	}
	return m.reading, never
}

// add counts what is new in a proxy's page.
func (m *Meter) add(proxy *seen, page []envoy.Endpoint) {
	unknown := proxy.old && proxy.endpoints == nil // how much of it was counted before
	now := map[endpoint]envoy.Endpoint{}
	for _, e := range page {
		key := endpoint{e.Subset, e.Address}
		now[key] = e
		if unknown {
			continue
		}
		before := proxy.endpoints[key]
		if e.Succeeded < before.Succeeded || e.Failed < before.Failed {
			before = envoy.Endpoint{}
		}
		counts := &m.reading.Stable
		if e.Subset == release.Canary {
			counts = &m.reading.Canary
		}
		succeeded, failed := e.Succeeded-before.Succeeded, e.Failed-before.Failed
		counts.Requests += succeeded + failed
		counts.Failures += failed
	}
	if unknown && m.begun {
		m.reading.Gaps = append(m.reading.Gaps, "proxy "+proxy.name+" could be read only now: what it counted before is missing")
	}
	proxy.endpoints = now
}

// addTimes counts the new times of a proxy.
func (m *Meter) addTimes(proxy *seen, now map[string]envoy.Times) {
	if proxy.old && proxy.times == nil { // how much of it was counted before is unknown
		proxy.times = now
		return
	}
	for subset, times := range now {
		before := proxy.times[subset]
		for bound := range before {
			if times[bound] < before[bound] { // the proxy was started anew
				before = nil
				break
			}
		}
		if m.reading.Times[subset] == nil {
			m.reading.Times[subset] = envoy.Times{}
		}
		for bound, count := range times {
			if more := count - before[bound]; more > 0 {
				m.reading.Times[subset][bound] += more
			}
		}
	}
	proxy.times = now
}
