package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	constants "k8s.io/apimachinery/pkg/util/portforward"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"
)

// portForwardSubprotocol is SPDY's protocol of pods/portforward inside a WebSocket (KEP-4006).
const portForwardSubprotocol = constants.WebsocketsSPDYTunnelingPrefix + portforward.PortForwardProtocolV1Name

var errLostConnection = errors.New("lost connection to the pod")

// podConn is one connection to a pod; each network connection through it is a
// pair of streams.
type podConn struct {
	streams   httpstream.Connection
	name      string // namespace/pod
	onSuspect func() // called when the pod's side of the connection may be gone

	closed atomic.Bool

	mu      sync.Mutex
	nextID  int
	inUse   int // streams in use
	retired func()
}

func (p *podConn) alive() bool {
	select {
	case <-p.streams.CloseChan():
		return false
	default:
		return !p.closed.Load()
	}
}

func (p *podConn) close() {
	p.closed.Store(true) // first: its streams must not look as if they had ended well
	_ = p.streams.Close()
}

// retire closes the connection when its last stream has ended, and then calls
// done.
func (p *podConn) retire(done func()) {
	p.mu.Lock()
	if p.retired != nil {
		p.mu.Unlock()
		return
	}
	p.retired = done
	idle := p.inUse == 0
	p.mu.Unlock()
	if idle {
		p.close()
		done()
	}
}

func (p *podConn) acquire() (id int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inUse++
	p.nextID++
	return p.nextID
}

func (p *podConn) release() {
	p.mu.Lock()
	p.inUse--
	done := p.retired
	last := p.inUse == 0 && done != nil
	p.mu.Unlock()
	if last {
		p.close()
		done()
	}
}

// open connects to a port of the pod.
func (p *podConn) open(ctx context.Context, port int) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	id := p.acquire()
	go func() {
		conn, err := p.openStreams(port, id)
		if err != nil {
			p.release()
		}
		done <- result{conn, err}
	}()
	var err error
	select {
	case r := <-done:
		return r.conn, r.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-p.streams.CloseChan():
		err = errLostConnection
	}
	go func() { // creating a stream cannot be cancelled: clean up when it is over
		if r := <-done; r.err == nil {
			_ = r.conn.Close()
		}
	}()
	return nil, err
}

func (p *podConn) openStreams(port, id int) (net.Conn, error) {
	headers := http.Header{}
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	headers.Set(corev1.PortHeader, strconv.Itoa(port))
	headers.Set(corev1.PortForwardRequestIDHeader, strconv.Itoa(id))
	verdict, err := p.streams.CreateStream(headers)
	if err != nil {
		return nil, fmt.Errorf("error stream: %w", err)
	}
	_ = verdict.Close() // only the other side writes to it

	headers = headers.Clone()
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := p.streams.CreateStream(headers)
	if err != nil {
		_ = verdict.Reset()
		p.streams.RemoveStreams(verdict)
		return nil, fmt.Errorf("data stream: %w", err)
	}
	return newStreamConn(p, data, verdict, podAddr(fmt.Sprintf("%s:%d", p.name, port))), nil
}

// tunneled closes the WebSocket together with the streams in it.
type tunneled struct {
	httpstream.Connection
	tunnel io.Closer
}

// Close ends all streams and the connection.
func (t *tunneled) Close() error { return errors.Join(t.Connection.Close(), t.tunnel.Close()) }
