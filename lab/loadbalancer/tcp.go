package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// tcpProxy forwards the connections of one listener.
type tcpProxy struct {
	listener net.Listener
	targets  *targets
	names    *resolver
	idle     atomic.Int64 // a time.Duration, for connections that are made from now on
	conns    *connections
}

// serve returns when the listener is closed. Connections that are open then stay so.
func (p *tcpProxy) serve(ctx context.Context) {
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			log.Printf("%s: accept: %v", p.targets.port, err)
			time.Sleep(100 * time.Millisecond) // out of file descriptors, most likely
			continue
		}
		p.conns.wait.Go(func() { p.forward(ctx, conn.(*net.TCPConn)) })
	}
}

func (p *tcpProxy) forward(ctx context.Context, client *net.TCPConn) {
	conn, _, err := p.targets.dial(ctx, p.names)
	if err != nil {
		log.Printf("%s: no host can be reached: %v", p.targets.port, err)
		abort(client)
		return
	}
	host := conn.(*net.TCPConn)
	if !p.conns.add(client, host) {
		abort(client, host)
		return
	}
	defer p.conns.remove(client, host)
	join(client, host, time.Duration(p.idle.Load()))
}

// join copies between the two until both directions have ended, and closes both. The end of one direction
// is passed on as such, the other goes on. A broken connection, or silence for the time of idle, breaks both.
func join(a, b *net.TCPConn, idle time.Duration) {
	var last atomic.Int64
	touch := func() { last.Store(time.Now().UnixNano()) }
	touch()
	done := make(chan struct{})
	defer close(done)
	go func() {
		timer := time.NewTimer(idle)
		defer timer.Stop()
		for {
			select {
			case <-done:
				return
			case <-timer.C:
			}
			left := idle - time.Since(time.Unix(0, last.Load()))
			if left <= 0 {
				abort(a, b)
				return
			}
			timer.Reset(left)
		}
	}()

	var both sync.WaitGroup
	for _, way := range [][2]*net.TCPConn{{a, b}, {b, a}} {
		both.Go(func() {
			err := copyTo(way[1], way[0], touch)
			if err == nil {
				err = way[1].CloseWrite()
			}
			if err != nil {
				abort(a, b)
			}
		})
	}
	both.Wait()
	_ = a.Close()
	_ = b.Close()
}

var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copyTo copies to the end of from, which is not an error.
func copyTo(to io.Writer, from io.Reader, touch func()) error {
	buffer := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buffer)
	for {
		n, err := from.Read(buffer[:])
		if n > 0 {
			touch()
			if _, err := to.Write(buffer[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// abort closes so that the other side sees a broken connection, not a complete answer.
func abort(conns ...*net.TCPConn) {
	for _, c := range conns {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
}

// connections are all that are open, over all listeners.
type connections struct {
	wait sync.WaitGroup

	mu     sync.Mutex
	open   map[*net.TCPConn]struct{}
	closed bool
}

func newConnections() *connections {
	return &connections{open: map[*net.TCPConn]struct{}{}}
}

// add reports false once the load balancer stops.
func (c *connections) add(conns ...*net.TCPConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		c.open[conn] = struct{}{}
	}
	return !c.closed
}

func (c *connections) remove(conns ...*net.TCPConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		delete(c.open, conn)
	}
}

// finish gives the connections the time of grace to end, then breaks those that are left.
func (c *connections) finish(grace time.Duration) {
	done := make(chan struct{})
	go func() { c.wait.Wait(); close(done) }()
	select {
	case <-done:
		return
	case <-time.After(grace):
	}
	c.mu.Lock()
	c.closed = true
	for conn := range c.open {
		abort(conn)
	}
	c.mu.Unlock()
	<-done
}
