package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

const (
	dialTimeout = 2 * time.Second
	// failTime is how long a host that could not be reached is tried after the others.
	failTime = 10 * time.Second
)

// targets are the hosts behind one port. They take turns.
type targets struct {
	port port

	mu     sync.Mutex
	hosts  []string
	next   int
	failed map[string]time.Time // when the host could last not be reached
}

func newTargets(p port, hosts []string) *targets {
	return &targets{port: p, hosts: hosts, failed: map[string]time.Time{}}
}

func (t *targets) set(hosts []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hosts, t.failed = hosts, map[string]time.Time{}
}

// order gives all hosts in the order in which to try them for one connection:
// by turns, with those that failed lately last.
func (t *targets) order(now time.Time) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var good, bad []string
	for i := range t.hosts {
		host := t.hosts[(t.next+i)%len(t.hosts)]
		if at, ok := t.failed[host]; ok && now.Sub(at) < failTime {
			bad = append(bad, host)
		} else {
			good = append(good, host)
		}
	}
	t.next = (t.next + 1) % len(t.hosts)
	return append(good, bad...)
}

func (t *targets) report(host string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		delete(t.failed, host)
	} else {
		t.failed[host] = time.Now()
	}
}

// dial connects to the first host that can be reached. The error names what is wrong with each.
func (t *targets) dial(ctx context.Context, names *resolver) (net.Conn, string, error) {
	var problems []error
	for _, host := range t.order(time.Now()) {
		conn, err := t.dialHost(ctx, names, host)
		t.report(host, err)
		if err == nil {
			return conn, host, nil
		}
		problems = append(problems, fmt.Errorf("%s: %w", host, err))
	}
	return nil, "", errors.Join(problems...)
}

func (t *targets) dialHost(ctx context.Context, names *resolver, host string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	address, err := names.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, t.port.protocol, net.JoinHostPort(address, strconv.Itoa(int(t.port.number))))
	if err != nil {
		names.forget(host)
	}
	return conn, err
}

// resolver remembers addresses for a short time: without it every connection would cost two
// questions to the engine's name server, and a node's address changes only when it starts anew.
type resolver struct {
	lookup func(ctx context.Context, host string) ([]string, error)
	keep   time.Duration

	mu    sync.Mutex
	known map[string]answer
}

type answer struct {
	address string
	until   time.Time
}

func newResolver() *resolver {
	return &resolver{lookup: net.DefaultResolver.LookupHost, keep: 5 * time.Second, known: map[string]answer{}}
}

func (r *resolver) resolve(ctx context.Context, host string) (string, error) {
	r.mu.Lock()
	a, ok := r.known[host]
	r.mu.Unlock()
	if ok && time.Now().Before(a.until) {
		return a.address, nil
	}
	addresses, err := r.lookup(ctx, host)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[host] = answer{address: addresses[0], until: time.Now().Add(r.keep)}
	return addresses[0], nil
}

func (r *resolver) forget(host string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, host)
}
