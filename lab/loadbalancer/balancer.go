package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// balancer holds the listeners that the current configuration asks for.
type balancer struct {
	ctx       context.Context
	address   string // to listen on; "" = all of the container's
	names     *resolver
	conns     *connections
	listeners map[port]*listener
}

type listener struct {
	targets *targets
	setIdle func(time.Duration)
	close   func()
}

func newBalancer(ctx context.Context, names *resolver) *balancer {
	return &balancer{ctx: ctx, names: names, conns: newConnections(), listeners: map[port]*listener{}}
}

// apply opens, changes and closes listeners until they are those of the configuration. A port that is in both
// the old and the new one is never closed. Ports that cannot be opened are in the error; the rest work.
func (b *balancer) apply(c config) error {
	for p, l := range b.listeners {
		if _, ok := c.hosts[p]; !ok {
			l.close()
			delete(b.listeners, p)
		}
	}
	var problems []error
	for p, hosts := range c.hosts {
		l, ok := b.listeners[p]
		if !ok {
			var err error
			if l, err = b.listen(p, hosts); err != nil {
				problems = append(problems, fmt.Errorf("listen on %s: %w", p, err))
				continue
			}
			b.listeners[p] = l
		}
		l.targets.set(hosts)
		l.setIdle(c.idle)
	}
	return errors.Join(problems...)
}

// stop closes all listeners and gives open connections the time of grace to end.
func (b *balancer) stop(grace time.Duration) {
	_ = b.apply(config{})
	b.conns.finish(grace)
}

func (b *balancer) listen(p port, hosts []string) (*listener, error) {
	t := newTargets(p, hosts)
	address := net.JoinHostPort(b.address, strconv.Itoa(int(p.number)))
	if p.protocol == "udp" {
		conn, err := net.ListenPacket("udp", address)
		if err != nil {
			return nil, err
		}
		proxy := &udpProxy{socket: conn.(*net.UDPConn), targets: t, names: b.names, sessions: map[netip.AddrPort]*net.UDPConn{}}
		return b.run(t, func() { proxy.serve(b.ctx) }, func(d time.Duration) { proxy.idle.Store(int64(d)) }, conn.Close), nil
	}
	socket, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	proxy := &tcpProxy{listener: socket, targets: t, names: b.names, conns: b.conns}
	return b.run(t, func() { proxy.serve(b.ctx) }, func(d time.Duration) { proxy.idle.Store(int64(d)) }, socket.Close), nil
}

func (b *balancer) run(t *targets, serve func(), setIdle func(time.Duration), closeSocket func() error) *listener {
	setIdle(defaultIdle)
	var served sync.WaitGroup
	served.Go(serve)
	return &listener{targets: t, setIdle: setIdle, close: func() {
		_ = closeSocket()
		served.Wait()
	}}
}
