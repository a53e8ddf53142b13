package kube

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"k8s.io/streaming/pkg/httpstream"
)

// verdictWait bounds the wait for the error stream after the data stream
// ended; both end together unless the connection broke.
const verdictWait = time.Second

// podAddr is namespace/pod:port.
type podAddr string

func (podAddr) Network() string  { return "pod" }
func (a podAddr) String() string { return string(a) }

// streamConn is a stream pair as a net.Conn. A pipe stands between the two,
// because streams have no deadlines of their own.
type streamConn struct {
	net.Conn
	addr podAddr

	mu  sync.Mutex
	err error // why the other side ended, nil for a normal end
}

func newStreamConn(p *podConn, data, verdict httpstream.Stream, addr podAddr) *streamConn {
	outer, inner := net.Pipe()
	c := &streamConn{Conn: outer, addr: addr}

	said := make(chan error, 1)
	go func() { said <- readVerdict(verdict) }()

	received, sent := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(received)
		_, err := io.Copy(inner, data)
		if !errors.Is(err, io.ErrClosedPipe) {
			c.fail(p.whyEnded(said))
		}
		_ = inner.Close()
	}()
	go func() {
		defer close(sent)
		_, _ = io.Copy(data, inner)
		_ = data.Close()
		// Unblocks the reader above, which nobody listens to any more.
		_ = data.Reset()
		_ = inner.Close()
	}()
	go func() {
		<-received
		<-sent
		_ = verdict.Reset()
		p.streams.RemoveStreams(data, verdict)
		p.release()
	}()
	return c
}

// readVerdict reads what the pod's side says about the connection: nothing, or
// the reason why it failed.
func readVerdict(verdict io.Reader) error {
	message, err := io.ReadAll(io.LimitReader(verdict, 64<<10))
	if text := strings.TrimSpace(string(message)); text != "" {
		return &PodError{Message: text}
	}
	if err != nil {
		return errLostConnection
	}
	return nil
}

func (p *podConn) whyEnded(said <-chan error) error {
	timer := time.NewTimer(verdictWait)
	defer timer.Stop()
	var err error
	select {
	case err = <-said:
	case <-timer.C:
	}
	if err == nil && !p.alive() {
		return errLostConnection
	}
	var podErr *PodError
	// Anything but a closed port may mean that the pod's sandbox was remade,
	// which the kept connection does not survive.
	if errors.As(err, &podErr) && !podErr.Refused() {
		p.onSuspect()
	}
	return err
}

// PodError is what the node says when it cannot connect to the pod's port.
type PodError struct{ Message string }

// Error is the node's message.
func (e *PodError) Error() string { return e.Message }

// Refused reports whether nothing listens on the port.
func (e *PodError) Refused() bool { return strings.Contains(e.Message, "connection refused") }

func (c *streamConn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

// explain replaces the pipe's word for "the other side ended" by the reason.
func (c *streamConn) explain(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return &net.OpError{Op: "port-forward", Net: c.addr.Network(), Addr: c.addr, Err: c.err}
	}
	return err
}

// Read implements net.Conn.
func (c *streamConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		err = c.explain(err)
	}
	return n, err
}

// Write implements net.Conn.
func (c *streamConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err != nil {
		err = c.explain(err)
	}
	return n, err
}

// LocalAddr implements net.Conn; it is the pod's address too.
func (c *streamConn) LocalAddr() net.Addr { return c.addr }

// RemoteAddr implements net.Conn.
func (c *streamConn) RemoteAddr() net.Addr { return c.addr }
