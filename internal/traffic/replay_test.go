package traffic

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// closingServer answers the first request of each connection and closes the
// connection when it sees a further one, unanswered: to a client that looks as
// if the connection had been closed just before. It counts all it received.
type closingServer struct {
	net.Listener
	received atomic.Int64
}

func newClosingServer(t *testing.T) *closingServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &closingServer{Listener: listener}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

func (s *closingServer) serve(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for i := range 2 {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, request.Body)
		s.received.Add(1)
		if i == 0 {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	}
}

func TestRunNeverReplays(t *testing.T) {
	t.Parallel()
	const count = 20
	for name, options := range map[string]Options{
		"GET": {}, "HEAD": {Method: "HEAD"}, "POST": {Method: "POST"}, "GET with a body": {Body: []byte("a")}, "PUT with a body": {Method: "PUT", Body: []byte("a")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newClosingServer(t)
			options.URL, options.Count = "http://"+server.Addr().String(), count
			results := runAll(t, options)
			failed := 0
			for _, r := range results {
				if r.Err != nil {
					failed++
					require.Contains(t, []string{FailureClosed, FailureReset}, r.Failure(), r.Err)
				}
			}
			require.EqualValues(t, count, server.received.Load(), "each request reaches the server once")
			require.Equal(t, count/2, failed)
		})
	}
}

// The test above proves something only as long as a plain GET is replayed.
func TestPlainGetIsReplayed(t *testing.T) {
	t.Parallel()
	server := newClosingServer(t)
	client := &http.Client{Transport: new(http.Transport)}
	for range 4 {
		resp, err := client.Get("http://" + server.Addr().String())
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	require.Greater(t, server.received.Load(), int64(4))
}

// When the connection is found closed before anything was written, net/http
// would dial again and send; the failure has to show here too.
func TestRunDoesNotRedialForUnwrittenRequest(t *testing.T) {
	t.Parallel()
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	var dials atomic.Int64
	results := runAll(t, Options{
		URL: server.URL, Count: 2,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials.Add(1)
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			return &failSecondWrite{Conn: conn}, err
		},
	})
	require.NoError(t, results[0].Err)
	require.Error(t, results[1].Err)
	require.EqualValues(t, 1, dials.Load())
}

type failSecondWrite struct {
	net.Conn
	writes atomic.Int64
}

func (c *failSecondWrite) Write(b []byte) (int, error) {
	if c.writes.Add(1) > 1 {
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}
