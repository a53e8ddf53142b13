package traffic

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// runAll runs and gives all results.
func runAll(t *testing.T, o Options) []Result {
	t.Helper()
	var results []Result
	o.OnResult = func(r Result) { results = append(results, r) }
	require.NoError(t, Run(t.Context(), o))
	return results
}

func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func TestRunRecordsAnswers(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		answer http.HandlerFunc
		status int
		subset string
		class  string
	}{
		{
			name: "the proxy names the subset",
			answer: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("x-canary-from-canary", r.Header.Get("x-canary-ask"))
			},
			status: 200, subset: "canary",
		},
		{
			name:   "only the app names it",
			answer: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"subset":"canary"}`) },
			status: 200,
		},
		{
			name:   "a large body",
			answer: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("canary", 100_000)) },
			status: 200,
		},
		{
			name: "a failure with its subset",
			answer: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("x-canary-from-stable", r.Header.Get("x-canary-ask"))
				w.WriteHeader(500)
			},
			status: 500, subset: "stable", class: "500",
		},
		{
			name:   "redirects are not followed",
			answer: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
			status: 302,
		},
		{
			name:   "slower than the timeout",
			answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			class:  FailureTimeout,
		},
		{
			name: "slower than the timeout in the middle of the body",
			answer: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", "100")
				w.WriteHeader(200)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			},
			status: 200, class: FailureTimeout,
		},
		{
			name:   "closed without an answer",
			answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			class:  FailureClosed,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, c.answer)
			timeout := DefaultTimeout
			if c.class == FailureTimeout {
				timeout = 50 * time.Millisecond
			}
			results := runAll(t, Options{URL: server.URL, Count: 1, Timeout: timeout})
			require.Len(t, results, 1)
			got := results[0]
			require.Equal(t, c.status, got.Status)
			require.Equal(t, c.subset, got.Subset)
			require.Equal(t, c.class, got.Failure(), got.Err)
			require.WithinDuration(t, time.Now(), got.Start, 10*time.Second)
			require.Positive(t, got.Latency)
		})
	}
}

func TestRunSendsWhatItIsTold(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		options Options
		want    string
	}{
		{name: "GET has no body and announces none", options: Options{}, want: "GET app.test length 0 [] "},
		{name: "POST with a body", options: Options{Method: "POST", Body: []byte("hello")}, want: "POST app.test length 5 [] hello"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got string
			server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = fmt.Sprintf("%s %s length %d %v %s", r.Method, r.Host, r.ContentLength, r.TransferEncoding, body)
			})
			c.options.URL, c.options.Host, c.options.Count = server.URL, "app.test", 1
			runAll(t, c.options)
			require.Equal(t, c.want, got)
		})
	}
}

func TestRunDialsLoopbackForLocalhost(t *testing.T) {
	t.Parallel()
	var host string
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) { host = r.Host })
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	results := runAll(t, Options{URL: "http://app-example.app-example.localhost:" + port, Count: 1})
	require.NoError(t, results[0].Err)
	require.Equal(t, "app-example.app-example.localhost:"+port, host)
}

func TestRunRefused(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	results := runAll(t, Options{URL: "http://" + listener.Addr().String(), Count: 3})
	require.Len(t, results, 3)
	for _, r := range results {
		require.Equal(t, FailureRefused, r.Failure())
	}
}

func TestClosedLoopKeepsConcurrencyAndConnections(t *testing.T) {
	t.Parallel()
	var now, most, conns atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		old := most.Load()
		for n > old && !most.CompareAndSwap(old, n) {
			old = most.Load()
		}
		time.Sleep(2 * time.Millisecond)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	results := runAll(t, Options{URL: server.URL, Count: 200, Concurrency: 8})
	require.Len(t, results, 200)
	require.LessOrEqual(t, most.Load(), int64(8))
	// Not 8: while a connection is dialled, another may become free in its place.
	require.Less(t, conns.Load(), int64(100), "connections are not kept")
}

func TestOpenLoopStartsOnTime(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	var mu sync.Mutex
	var results []Result
	done := make(chan error)
	start := time.Now()
	go func() {
		done <- Run(t.Context(), Options{URL: server.URL, Count: 20, Rate: 200, OnResult: func(r Result) {
			mu.Lock()
			defer mu.Unlock()
			results = append(results, r)
		}})
	}()
	time.Sleep(300 * time.Millisecond) // no answer yet, and all 20 are due after 95 ms
	close(release)
	require.NoError(t, <-done)
	require.Len(t, results, 20)
	for _, r := range results {
		require.False(t, r.Capped)
		require.Less(t, r.Start.Sub(start), 290*time.Millisecond)
		require.Greater(t, r.Start.Add(r.Latency).Sub(start), 290*time.Millisecond)
	}
}

func TestOpenLoopReportsItsCap(t *testing.T) {
	t.Parallel()
	server := serve(t, func(http.ResponseWriter, *http.Request) { time.Sleep(50 * time.Millisecond) })
	results := runAll(t, Options{URL: server.URL, Count: 4, Rate: 1000, MaxInFlight: 2})
	require.Len(t, results, 4)
	capped := 0
	for _, r := range results {
		if r.Capped {
			capped++
			require.Greater(t, r.Latency, 80*time.Millisecond, "latency counts from when the request was due")
		}
	}
	require.Equal(t, 2, capped)
}

func TestRunInterrupted(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]Options{
		"closed loop":            {Count: 1000, Concurrency: 4},
		"open loop":              {Count: 1000, Rate: 100},
		"open loop without end":  {Rate: 100},
		"open loop with its cap": {Count: 1000, Rate: 100, MaxInFlight: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var answered atomic.Int64
			server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
				if answered.Add(1) > 3 {
					<-r.Context().Done()
				}
			})
			ctx, cancel := context.WithCancel(t.Context())
			results := 0
			options.URL = server.URL
			options.OnResult = func(r Result) {
				require.NoError(t, r.Err)
				if results++; results == 3 {
					time.AfterFunc(50*time.Millisecond, cancel)
				}
			}
			require.ErrorIs(t, Run(ctx, options), ErrInterrupted)
			require.Equal(t, 3, results)
		})
	}
}

func TestRunRefusesOptions(t *testing.T) {
	t.Parallel()
	const url = "http://app.test"
	cases := []struct {
		name    string
		options Options
		want    string
	}{
		{name: "no URL", options: Options{Count: 1}, want: `url "": want http://HOST/ or https://HOST/`},
		{name: "no host", options: Options{URL: "http:///a", Count: 1}, want: `url "http:///a": want http://HOST/ or https://HOST/`},
		{name: "no count", options: Options{URL: url}, want: "count 0: want at least 1"},
		{name: "negative count", options: Options{URL: url, Count: -1, Rate: 1}, want: "count -1: want at least 1"},
		{name: "concurrency", options: Options{URL: url, Count: 1, Concurrency: -1}, want: "concurrency -1: want at least 1"},
		{name: "rate", options: Options{URL: url, Count: 1, Rate: -1}, want: "rate -1: want 0, or 0.001 to 1e+06 requests per second"},
		{name: "timeout", options: Options{URL: url, Count: 1, Timeout: -1}, want: "timeout -1ns: want a duration above 0"},
		{name: "cap", options: Options{URL: url, Count: 1, MaxInFlight: -1}, want: "in-flight cap -1: want at least 1"},
		{name: "method", options: Options{URL: url, Count: 1, Method: "a b"}, want: `method "a b": net/http: invalid method "a b"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.EqualError(t, Run(t.Context(), c.options), c.want)
		})
	}
}
