package notify

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// pipes is a network within a test, whose time is the test's.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newPipes() *pipes {
	p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.closed) })
	return p
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.close(); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve makes a server with an address; what it was sent is in got.
func serve(t *testing.T, handle http.HandlerFunc) (address Address, got func() []string) {
	t.Helper()
	var mu sync.Mutex
	var bodies []string
	network := newPipes()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		bodies = append(bodies, r.Header.Get("Content-Type")+" "+string(body))
		mu.Unlock()
		handle(w, r)
	}))
	server.Listener.Close()
	server.Listener = network
	server.Start()
	address, err := ParseAddress("https://ann:pass-word@hooks.example.com/services/T00000000/secret-path?token=secret-query")
	require.NoError(t, err)
	address.url.Scheme = "http"
	address.client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: network.dial}
	t.Cleanup(server.Close)
	return address, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), bodies...)
	}
}

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "hooks.example.com/secret", "ftp://host/secret", "https:///secret", "https://host/%zz-secret", "https://:80/secret"} {
		_, err := ParseAddress(text)
		require.EqualError(t, err, "it is no URL such as https://HOST/PATH", text)
	}
	address, err := ParseAddress("https://ann:secret@hooks.example.com:8443/secret?secret=secret#secret")
	require.NoError(t, err)
	for _, form := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		require.NotContains(t, fmt.Sprintf(form, address), "secret", form)
		require.NotContains(t, fmt.Sprintf(form, []Address{address}), "secret", form)
	}
	require.Equal(t, "https://hooks.example.com:8443", address.String())
}

func TestPost(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		handle http.HandlerFunc
		want   string
	}{
		{"taken", func(http.ResponseWriter, *http.Request) {}, ""},
		{"created", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }, ""},
		{"refused", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "\n change freeze until Monday\nsecond line", http.StatusForbidden)
		}, "http://hooks.example.com said 403 Forbidden: change freeze until Monday"},
		{"silent", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "http://hooks.example.com said 502 Bad Gateway"},
		{"repeats what it was asked", func(w http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			http.Error(w, fmt.Sprintf("no %s for %s:%s, %s, T00000000", r.URL, user, password, r.URL.Path), http.StatusNotFound)
		}, "http://hooks.example.com said 404 Not Found: no [hidden] for ann:[hidden], [hidden], [hidden]"},
		{"leads elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://elsewhere.example.com/secret", http.StatusTemporaryRedirect)
		}, "http://hooks.example.com said 307 Temporary Redirect"},
		{"slow", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(time.Minute):
			}
		}, "http://hooks.example.com did not answer: nothing came within 10s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				address, got := serve(t, tc.handle)
				err := address.Post(t.Context(), []byte(`{"a":1}`))
				require.Equal(t, []string{`application/json {"a":1}`}, got())
				if tc.want == "" {
					require.NoError(t, err)
					return
				}
				require.EqualError(t, err, tc.want)
			})
		})
	}
}

func TestPostToNobody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	address, err := ParseAddress(server.URL + "/secret-path?token=secret-query")
	require.NoError(t, err)
	err = address.Post(t.Context(), nil)
	require.ErrorContains(t, err, server.URL+" did not answer: dial tcp ")
	require.NotContains(t, err.Error(), "secret")
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	const first, second = "application/json 1", "application/json 2"
	for _, tc := range []struct {
		name   string
		handle func(call int, w http.ResponseWriter, r *http.Request)
		got    []string
		said   []string
		took   time.Duration // until the end
	}{
		{"taken", func(int, http.ResponseWriter, *http.Request) {}, []string{first, second}, nil, 0},
		{"first 500", func(call int, w http.ResponseWriter, _ *http.Request) {
			if call == 1 {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}, []string{first, first, second}, nil, time.Second},
		{"always 500", func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
			[]string{first, first, first, first, second, second, second, second},
			[]string{
				"a webhook was not told: http://hooks.example.com said 500 Internal Server Error (4 times)",
				"a webhook was not told: http://hooks.example.com said 500 Internal Server Error (4 times)",
			}, 14 * time.Second},
		{"slow", func(int, http.ResponseWriter, *http.Request) { time.Sleep(9 * time.Second) }, []string{first, second},
			[]string{"a webhook was not told: http://hooks.example.com did not take it before the end"}, lastWait},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				address, got := serve(t, func(w http.ResponseWriter, r *http.Request) {
					calls++
					tc.handle(calls, w, r)
				})
				var said []string
				begin := time.Now()
				w := NewWebhooks([]Address{address}, func(line string) { said = append(said, line) })
				w.Send([]byte("1"))
				w.Send([]byte("2"))
				require.Zero(t, time.Since(begin), "nobody waits for a webhook")
				w.Close()
				require.Equal(t, tc.took, time.Since(begin))
				require.Equal(t, tc.got, got())
				require.Equal(t, tc.said, said)
			})
		})
	}
}

func TestSlackText(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a &lt;!channel&gt; &amp; b", SlackText("a <!channel> & b"))
}
