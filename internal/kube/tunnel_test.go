package kube

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	gwebsocket "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

func TestTunnel(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upgrader := gwebsocket.Upgrader{}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		peer := newTunnel(conn)
		defer func() { _ = peer.Close() }()
		for _, part := range []string{"one ", "", "two"} {
			_, _ = io.WriteString(peer, part)
		}
	}))
	defer server.Close()
	conn, resp, err := gwebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	require.NoError(t, err)
	_ = resp.Body.Close()
	tunnel := newTunnel(conn)

	all, err := io.ReadAll(tunnel)

	require.NoError(t, err, "a goodbye is the end of the stream")
	require.Equal(t, "one two", string(all))
	require.NoError(t, tunnel.Close())
	require.NoError(t, tunnel.Close(), "SPDY closes it too")
}
