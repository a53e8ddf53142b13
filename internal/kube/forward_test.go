package kube

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func httpPort(t testing.TB, handler http.HandlerFunc) int {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	port, err := strconv.Atoi(u.Port())
	require.NoError(t, err)
	return port
}

func fetch(client *http.Client, path string) (string, error) {
	resp, err := client.Get("http://pod" + path)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func TestForwardProtocols(t *testing.T) {
	t.Parallel()
	for name, webSocket := range map[string]bool{"websocket": true, "spdy": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			large := strings.Repeat("0123456789abcdef", 1<<16)
			port := httpPort(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, r.URL.Path+large)
			})
			server := newFakeServer(t, webSocket)
			forward := server.client(t).Forward("mesh", "proxy")
			defer func() { require.NoError(t, forward.Close()) }()
			client := &http.Client{Transport: &http.Transport{DialContext: forward.DialContext(port), MaxIdleConnsPerHost: 2}}

			var group errgroup.Group
			for i := range 20 {
				group.Go(func() error {
					path := fmt.Sprintf("/%d", i)
					got, err := fetch(client, path)
					if err == nil && got != path+large {
						err = fmt.Errorf("%s: %d bytes", path, len(got))
					}
					return err
				})
			}
			require.NoError(t, group.Wait())
			require.EqualValues(t, 1, server.opened.Load(), "one kept connection for all")
		})
	}
}

func TestForwardReopensBrokenConnection(t *testing.T) {
	t.Parallel()
	port := httpPort(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	server := newFakeServer(t, true)
	forward := server.client(t).Forward("mesh", "proxy")
	defer func() { _ = forward.Close() }()
	client := &http.Client{Transport: &http.Transport{DialContext: forward.DialContext(port), DisableKeepAlives: true}}

	_, err := fetch(client, "/")
	require.NoError(t, err)
	server.dropConnections()
	require.Eventually(t, func() bool {
		got, err := fetch(client, "/")
		return err == nil && got == "ok"
	}, 5*time.Second, 10*time.Millisecond)
	require.EqualValues(t, 2, server.opened.Load())
}

func TestForwardReportsRefusedPort(t *testing.T) {
	t.Parallel()
	server := newFakeServer(t, true)
	forward := server.client(t).Forward("mesh", "proxy")
	defer func() { _ = forward.Close() }()
	dial := forward.DialContext(closedPort(t))

	conn, err := dial(t.Context(), "tcp", "ignored:1")
	require.NoError(t, err)
	_, err = conn.Read(make([]byte, 1))
	var podErr *PodError
	require.ErrorAs(t, err, &podErr)
	require.True(t, podErr.Refused())
	require.Contains(t, err.Error(), "mesh/proxy:")
	require.NoError(t, conn.Close())

	_, err = fetch(&http.Client{Transport: &http.Transport{DialContext: dial}}, "/")
	require.ErrorContains(t, err, "connection refused")
	require.EqualValues(t, 1, server.opened.Load(), "a closed port does not cost the kept connection")
}

func TestForwardLostConnectionFailsReads(t *testing.T) {
	t.Parallel()
	port := listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	server := newFakeServer(t, true)
	forward := server.client(t).Forward("mesh", "proxy")
	defer func() { _ = forward.Close() }()
	conn, err := forward.DialContext(port)(t.Context(), "tcp", "")
	require.NoError(t, err)
	time.AfterFunc(20*time.Millisecond, server.dropConnections)
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
}

func TestForwardDeadlines(t *testing.T) {
	t.Parallel()
	port := listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	forward := newFakeServer(t, true).client(t).Forward("mesh", "proxy")
	defer func() { _ = forward.Close() }()
	conn, err := forward.DialContext(port)(t.Context(), "tcp", "")
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("mesh/proxy:%d", port), conn.RemoteAddr().String())
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
	_, err = conn.Read(make([]byte, 1))
	var netErr net.Error
	require.ErrorAs(t, err, &netErr)
	require.True(t, netErr.Timeout())
	_, err = conn.Write([]byte("still open"))
	require.NoError(t, err)
}

func TestForwardClose(t *testing.T) {
	t.Parallel()
	port := listen(t, func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	forward := newFakeServer(t, true).client(t).Forward("mesh", "proxy")
	conn, err := forward.DialContext(port)(t.Context(), "tcp", "")
	require.NoError(t, err)
	require.NoError(t, forward.Close())
	_, err = io.ReadAll(conn)
	require.Error(t, err)
	_, err = forward.DialContext(port)(t.Context(), "tcp", "")
	require.ErrorIs(t, err, ErrForwardClosed)
}

func TestForwardToMissingPod(t *testing.T) {
	t.Parallel()
	forward := newFakeServer(t, true).client(t).Forward("mesh", "gone")
	defer func() { _ = forward.Close() }()
	_, err := forward.DialContext(80)(t.Context(), "tcp", "")
	require.ErrorContains(t, err, "pod mesh/gone")
	require.ErrorContains(t, err, "not found")
}

func TestForwardHonoursContext(t *testing.T) {
	t.Parallel()
	silent := listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	server := &fakeServer{Server: &httptest.Server{URL: fmt.Sprintf("http://127.0.0.1:%d", silent)}}
	forward := server.client(t).Forward("mesh", "proxy")
	defer func() { _ = forward.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := forward.DialContext(80)(ctx, "tcp", "")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(begin), 5*time.Second)
}
