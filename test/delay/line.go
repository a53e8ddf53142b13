// Package delay is a line to a server that is far away.
package delay

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Line relays TCP connections from a port on the loopback to a server, and holds
// every byte back: each direction takes its time, and so does the handshake.
type Line struct {
	listener net.Listener
	server   string
	oneWay   time.Duration

	mu    sync.Mutex
	conns map[net.Conn]struct{} // nil after Close
}

// New opens a line to a server, given as host:port.
func New(server string, oneWay time.Duration) (*Line, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("delay line to %s: %w", server, err)
	}
	l := &Line{listener: listener, server: server, oneWay: oneWay, conns: map[net.Conn]struct{}{}}
	go l.accept()
	return l, nil
}

// Addr is the near end, as host:port.
func (l *Line) Addr() string { return l.listener.Addr().String() }

// Close ends the line and its connections.
func (l *Line) Close() error {
	err := l.listener.Close()
	l.mu.Lock()
	conns := l.conns
	l.conns = nil
	l.mu.Unlock()
	for conn := range conns {
		err = errors.Join(err, conn.Close())
	}
	return err
}

func (l *Line) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		go l.relay(near)
	}
}

func (l *Line) relay(near net.Conn) {
	time.Sleep(2 * l.oneWay) // the handshake goes there and back
	far, err := net.Dial("tcp", l.server)
	if err != nil {
		_ = near.Close()
		return
	}
	if !l.keep(near, far) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { l.carry(far, near) })
	both.Go(func() { l.carry(near, far) })
	both.Wait()
	l.drop(near, far)
}

// keep notes connections; after Close it ends them.
func (l *Line) keep(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range conns {
		if l.conns == nil {
			_ = conn.Close()
			continue
		}
		l.conns[conn] = struct{}{}
	}
	return l.conns != nil
}

func (l *Line) drop(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range conns {
		delete(l.conns, conn)
		_ = conn.Close()
	}
}

// carry moves what one side sends to the other, each piece after its time. The end
// of it is a piece, too.
func (l *Line) carry(to, from net.Conn) {
	type piece struct {
		due  time.Time
		data []byte
	}
	const underway = 1024 // pieces; beyond that the sender is held up, as by a full window
	line := make(chan piece, underway)
	go func() {
		defer close(line)
		for {
			buffer := make([]byte, 32<<10)
			n, err := from.Read(buffer)
			line <- piece{time.Now().Add(l.oneWay), buffer[:n]}
			if err != nil {
				return
			}
		}
	}()
	for p := range line {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			_ = from.Close()
		}
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
