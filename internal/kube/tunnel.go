package kube

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	gwebsocket "github.com/gorilla/websocket"
)

// tunnel is a WebSocket as a stream of bytes: what is written goes out as binary
// messages, what comes in is read without the bounds between messages. Kubernetes
// tunnels port-forward's SPDY so (KEP-4006). client-go has the same in a package
// that adds 6 MB to the program (see objects.go).
type tunnel struct {
	*gwebsocket.Conn

	incoming io.Reader
	close    func() error
}

var _ net.Conn = (*tunnel)(nil)

func newTunnel(conn *gwebsocket.Conn) *tunnel {
	return &tunnel{Conn: conn, incoming: gwebsocket.JoinMessages(conn, ""), close: sync.OnceValue(func() error {
		goodbye := gwebsocket.FormatCloseMessage(gwebsocket.CloseNormalClosure, "")
		_ = conn.WriteControl(gwebsocket.CloseMessage, goodbye, time.Now().Add(time.Second))
		return conn.Close()
	})}
}

// Read implements net.Conn.
func (t *tunnel) Read(b []byte) (int, error) {
	n, err := t.incoming.Read(b)
	if gwebsocket.IsCloseError(err, gwebsocket.CloseNormalClosure) {
		err = io.EOF
	}
	return n, err
}

// Write implements net.Conn.
func (t *tunnel) Write(b []byte) (int, error) {
	if err := t.WriteMessage(gwebsocket.BinaryMessage, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// SetDeadline implements net.Conn.
func (t *tunnel) SetDeadline(at time.Time) error {
	return errors.Join(t.SetReadDeadline(at), t.SetWriteDeadline(at))
}

// Close says goodbye, if that takes no longer than a second, and closes the
// connection. It may be called again: an error would make SPDY, which closes it
// too, keep its memory for a second more.
func (t *tunnel) Close() error { return t.close() }
