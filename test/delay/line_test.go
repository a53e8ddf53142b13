package delay

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// echo answers what it gets, once the other side has sent all.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				all, _ := io.ReadAll(conn)
				_, _ = conn.Write(all)
			}()
		}
	}()
	return listener.Addr().String()
}

func TestLine(t *testing.T) {
	t.Parallel()
	const oneWay = 20 * time.Millisecond
	line, err := New(echo(t), oneWay)
	require.NoError(t, err)
	defer func() { require.NoError(t, line.Close()) }()
	text := strings.Repeat("0123456789", 100_000)

	start := time.Now()
	conn, err := net.Dial("tcp", line.Addr())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	got, err := io.ReadAll(conn)

	require.NoError(t, err)
	require.Equal(t, text, string(got))
	require.GreaterOrEqual(t, time.Since(start), 4*oneWay, "handshake, request and answer")
}

func TestLineToNobody(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	line, err := New(listener.Addr().String(), 0)
	require.NoError(t, err)
	conn, err := net.Dial("tcp", line.Addr())
	require.NoError(t, err)
	_, err = io.ReadAll(conn)
	require.NoError(t, err, "the connection is closed")
	require.NoError(t, line.Close())
}

func TestLineEndsItsConnections(t *testing.T) {
	t.Parallel()
	line, err := New(echo(t), 0)
	require.NoError(t, err)
	conn, err := net.Dial("tcp", line.Addr())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		line.mu.Lock()
		defer line.mu.Unlock()
		return len(line.conns) == 2
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, line.Close())
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
}
