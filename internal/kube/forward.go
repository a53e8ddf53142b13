package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/portforward"
	spdytransport "k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/transport/websocket"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// ErrForwardClosed is what a Forward answers after Close.
var ErrForwardClosed = errors.New("port-forward is closed")

// Forward gives connections to the ports of one pod, also to those that listen
// only on the pod's loopback. All of them share one kept connection through the
// API server, which is opened by the first use and anew after it broke. It is
// safe for concurrent use.
type Forward struct {
	client    *Client
	namespace string
	pod       string

	// opening is held while the kept connection is looked up or opened, so that
	// many first uses open one.
	opening chan struct{}
	ctx     context.Context // ends with Close
	stop    context.CancelFunc

	mu      sync.Mutex
	current *podConn
	conns   map[*podConn]struct{} // current and those that still carry streams
}

// Forward prepares connections to a pod; it does no I/O. The pod's rights that
// are needed: create (and get, for the WebSocket protocol) on pods/portforward.
func (c *Client) Forward(namespace, pod string) *Forward {
	ctx, stop := context.WithCancel(context.Background())
	return &Forward{
		client: c, namespace: namespace, pod: pod,
		opening: make(chan struct{}, 1), ctx: ctx, stop: stop,
		conns: map[*podConn]struct{}{},
	}
}

// DialContext returns a dial function for http.Transport.DialContext that
// ignores the address it is given and connects to the port of the pod. The
// connections support deadlines. What the pod's side says about a failure, such
// as a refused connection, is the error of the first Read: the protocol reports
// it only then.
func (f *Forward) DialContext(port int) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := f.dial(ctx, port)
		if err != nil {
			return nil, fmt.Errorf("port %d of pod %s/%s: %w", port, f.namespace, f.pod, err)
		}
		return conn, nil
	}
}

// Close ends the kept connection and every connection made through it.
func (f *Forward) Close() error {
	f.stop()
	f.mu.Lock()
	conns := f.conns
	f.conns, f.current = map[*podConn]struct{}{}, nil
	f.mu.Unlock()
	for conn := range conns {
		conn.close()
	}
	return nil
}

func (f *Forward) dial(ctx context.Context, port int) (net.Conn, error) {
	for {
		conn, fresh, err := f.connection(ctx)
		if err != nil {
			return nil, err
		}
		stream, err := conn.open(ctx, port)
		if err == nil {
			return stream, nil
		}
		f.retire(conn)
		switch {
		case f.ctx.Err() != nil:
			return nil, ErrForwardClosed
		case ctx.Err() != nil, fresh:
			return nil, err
		}
		// A kept connection can be dead without a sign of it: try a new one.
	}
}

// connection returns the kept connection and whether it was opened just now.
func (f *Forward) connection(ctx context.Context) (conn *podConn, fresh bool, err error) {
	select {
	case f.opening <- struct{}{}:
		defer func() { <-f.opening }()
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	case <-f.ctx.Done():
		return nil, false, ErrForwardClosed
	}
	f.mu.Lock()
	conn = f.current
	f.mu.Unlock()
	if conn != nil && conn.alive() {
		return conn, false, nil
	}
	if conn != nil {
		f.retire(conn)
	}
	streams, err := f.connect(ctx)
	if err != nil {
		return nil, false, err
	}
	conn = &podConn{streams: streams, name: f.namespace + "/" + f.pod}
	conn.onSuspect = func() { f.retire(conn) }
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ctx.Err() != nil {
		conn.close()
		return nil, false, ErrForwardClosed
	}
	f.current = conn
	f.conns[conn] = struct{}{}
	return conn, true, nil
}

// connect opens a new connection. Parts of the handshake cannot be cancelled, so
// it runs beside the wait for it.
func (f *Forward) connect(ctx context.Context) (httpstream.Connection, error) {
	connectCtx, cancel := context.WithTimeoutCause(f.ctx, headerTimeout, &UnreachableError{Server: f.client.Server(), Err: errNoAnswer})
	type result struct {
		streams httpstream.Connection
		err     error
	}
	done := make(chan result, 1)
	go func() {
		defer cancel()
		streams, err := f.client.connect(connectCtx, f.namespace, f.pod)
		if err != nil && connectCtx.Err() != nil {
			err = context.Cause(connectCtx)
		}
		done <- result{streams, err}
	}()
	var err error
	select {
	case r := <-done:
		return r.streams, r.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-f.ctx.Done():
		err = ErrForwardClosed
	}
	cancel()
	go func() {
		if r := <-done; r.err == nil {
			_ = r.streams.Close()
		}
	}()
	return nil, err
}

// retire takes a connection out of use; it ends with the last of its streams.
func (f *Forward) retire(conn *podConn) {
	f.mu.Lock()
	if f.current == conn {
		f.current = nil
	}
	f.mu.Unlock()
	conn.retire(func() {
		f.mu.Lock()
		delete(f.conns, conn)
		f.mu.Unlock()
	})
}

// connect opens the connection that carries the streams: SPDY inside a
// WebSocket, or plain SPDY where the server or a proxy has no WebSocket for it.
func (c *Client) connect(ctx context.Context, namespace, pod string) (httpstream.Connection, error) {
	url := c.rest.Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("portforward").URL().String()
	streams, err := c.connectWebSocket(ctx, url)
	if err == nil {
		return streams, nil
	}
	var refused *httpstream.UpgradeFailureError
	switch {
	case errors.As(err, &refused) && apierrors.IsNotFound(refused.Cause):
		return nil, refused.Cause
	case refused != nil, httpstream.IsHTTPSProxyError(err):
		return c.connectSPDY(ctx, url)
	}
	return nil, err
}

func (c *Client) connectWebSocket(ctx context.Context, url string) (httpstream.Connection, error) {
	transport, holder, err := websocket.RoundTripperFor(c.config)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	conn, err := websocket.Negotiate(transport, holder, req, portForwardSubprotocol)
	if err != nil {
		return nil, err
	}
	tunnel := portforward.NewTunnelingConnection("client", conn)
	streams, err := spdy.NewClientConnectionWithPings(tunnel, portforward.PingPeriod)
	if err != nil {
		return nil, err
	}
	return &tunneled{Connection: streams, tunnel: tunnel}, nil
}

func (c *Client) connectSPDY(ctx context.Context, url string) (httpstream.Connection, error) {
	transport, upgrader, err := spdytransport.RoundTripperFor(c.config)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return nil, err
	}
	streams, protocol, err := spdytransport.NegotiateStreaming(upgrader, &http.Client{Transport: transport}, req, portforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, err
	}
	if protocol != portforward.PortForwardProtocolV1Name {
		_ = streams.Close()
		return nil, fmt.Errorf("server speaks port-forward protocol %q, not %q", protocol, portforward.PortForwardProtocolV1Name)
	}
	return streams, nil
}
