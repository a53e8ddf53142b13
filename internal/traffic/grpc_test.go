package traffic

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// A real gRPC server answers as the proxy before it would let through.
func TestRunCallsByGRPC(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		health func() error // of the health service; nil: the server has none
		path   string
		code   codes.Code
		class  string
	}{
		{name: "health check", health: func() error { return nil }, path: HealthCheck, code: codes.OK},
		{name: "no health service", path: HealthCheck, code: codes.Unimplemented},
		{name: "another method", health: func() error { return nil }, path: "/shop.Shop/Buy", code: codes.Unimplemented},
		{
			name: "unavailable", health: func() error { return status.Error(codes.Unavailable, "closing") },
			path: HealthCheck, code: codes.Unavailable, class: "Unavailable",
		},
		{
			name: "a code that nobody knows", health: func() error { return status.Error(99, "") },
			path: HealthCheck, code: 99, class: "Code(99)",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			// What the proxy does for whoever asks it.
			name := func(ctx context.Context, set func(context.Context, metadata.MD) error) {
				calls.Add(1)
				asked, _ := metadata.FromIncomingContext(ctx)
				_ = set(ctx, metadata.Pairs("x-canary-from-canary", asked.Get("x-canary-ask")[0]))
			}
			server := grpc.NewServer(
				grpc.UnaryInterceptor(func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
					name(ctx, grpc.SetHeader)
					if err := c.health(); err != nil {
						return nil, err
					}
					return handler(ctx, request)
				}),
				grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
					name(stream.Context(), func(_ context.Context, md metadata.MD) error { return stream.SetHeader(md) })
					return status.Error(codes.Unimplemented, "unknown service")
				}),
			)
			if c.health != nil {
				grpc_health_v1.RegisterHealthServer(server, health.NewServer())
			}
			results := runAll(t, Options{URL: "http://" + listen(t, server) + c.path, GRPC: true, Count: 20, Concurrency: 4})
			require.Len(t, results, 20)
			for _, r := range results {
				require.NoError(t, r.Err)
				require.Equal(t, http.StatusOK, r.Status)
				require.Equal(t, c.code, r.Code)
				require.Equal(t, "canary", r.Subset)
				require.Equal(t, c.class, r.Failure())
			}
			require.EqualValues(t, 20, calls.Load(), "each call reaches the server once")
		})
	}
}

// A server may refuse a call, which it then has not looked at, and gRPC's own client
// would send it again. Here that is a failure as any other.
func TestRunNeverRepeatsACall(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go refuseCalls(conn, &calls)
		}
	}()
	results := runAll(t, Options{URL: "http://" + listener.Addr().String() + HealthCheck, GRPC: true, Count: 5})
	require.Len(t, results, 5)
	for _, r := range results {
		require.ErrorContains(t, r.Err, "REFUSED_STREAM")
		require.Equal(t, FailureOther, r.Failure())
	}
	require.EqualValues(t, 5, calls.Load())
}

// refuseCalls counts the calls of a connection and refuses each.
func refuseCalls(conn net.Conn, calls *atomic.Int64) {
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	framer := http2.NewFramer(conn, conn)
	_ = framer.WriteSettings()
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		if _, called := frame.(*http2.HeadersFrame); called {
			calls.Add(1)
			_ = framer.WriteRSTStream(frame.Header().StreamID, http2.ErrCodeRefusedStream)
		}
	}
}

func listen(t *testing.T, server *grpc.Server) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

func TestRunTellsWhatIsNoGRPC(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		answer http.HandlerFunc
		class  string
		err    string
	}{
		{
			name:   "an app that speaks HTTP alone",
			answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") },
			class:  FailureOther, err: `answer with status 200 is none of gRPC: its grpc-status is "", and a number is expected`,
		},
		{
			name:   "a status of HTTP",
			answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnsupportedMediaType) },
			class:  "415",
		},
		{
			name:   "slower than the timeout",
			answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			class:  FailureTimeout, err: context.DeadlineExceeded.Error(),
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(c.answer)
			server.Config.Protocols = new(http.Protocols)
			server.Config.Protocols.SetUnencryptedHTTP2(true)
			server.Start()
			t.Cleanup(server.Close)
			timeout := DefaultTimeout
			if c.class == FailureTimeout {
				timeout = 50 * time.Millisecond
			}
			results := runAll(t, Options{URL: server.URL, GRPC: true, Count: 1, Timeout: timeout})
			require.Equal(t, c.class, results[0].Failure(), results[0].Err)
			if c.err != "" {
				require.ErrorContains(t, results[0].Err, c.err)
			}
		})
	}
}

func TestRunCallsByGRPCOverTLS(t *testing.T) {
	t.Parallel()
	var got atomic.Value
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got.Store([]any{r.Proto, r.Method, r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("Te"), body})
		w.Header().Set("Grpc-Status", "0")
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	pool := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	results := runAll(t, Options{URL: server.URL + HealthCheck, GRPC: true, Count: 1, RootCAs: pool})
	require.Empty(t, results[0].Failure(), results[0].Err)
	require.Equal(t, []any{"HTTP/2.0", "POST", HealthCheck, "application/grpc", "trailers", []byte{0, 0, 0, 0, 0}}, got.Load())
}
