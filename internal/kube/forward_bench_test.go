package kube

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
)

// BenchmarkForward compares a Forward with client-go's PortForwarder, for decision 0009: opening one and getting a page,
// and getting a page of the size of an Envoy's routes or of a large dump through one that is open.
func BenchmarkForward(b *testing.B) {
	for _, way := range []struct {
		name string
		open func(b *testing.B, server *fakeServer, port int) (*http.Client, func())
	}{{"own", openForward}, {"client-go", openPortForwarder}} {
		b.Run(way.name+"/open", func(b *testing.B) {
			server, port := benchmarkedPod(b, 10<<10)
			for b.Loop() {
				client, stop := way.open(b, server, port)
				_, err := fetch(client, "/")
				require.NoError(b, err)
				stop()
			}
		})
		for _, size := range []int{10 << 10, 4 << 20} {
			b.Run(fmt.Sprintf("%s/get %d kB", way.name, size>>10), func(b *testing.B) {
				server, port := benchmarkedPod(b, size)
				client, stop := way.open(b, server, port)
				defer stop()
				b.SetBytes(int64(size))
				for b.Loop() {
					got, err := fetch(client, "/")
					require.NoError(b, err)
					require.Len(b, got, size)
				}
			})
		}
	}
}

func benchmarkedPod(b *testing.B, size int) (*fakeServer, int) {
	b.Helper()
	page := strings.Repeat("x", size)
	return newFakeServer(b, true), httpPort(b, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) })
}

func openForward(b *testing.B, server *fakeServer, port int) (*http.Client, func()) {
	b.Helper()
	forward := server.client(b).Forward("mesh", "proxy")
	transport := &http.Transport{DialContext: forward.DialContext(port)}
	return &http.Client{Transport: transport}, func() {
		transport.CloseIdleConnections()
		require.NoError(b, forward.Close())
	}
}

func openPortForwarder(b *testing.B, server *fakeServer, port int) (*http.Client, func()) {
	b.Helper()
	address, err := url.Parse(server.URL + forwardPath)
	require.NoError(b, err)
	dialer, err := portforward.NewSPDYOverWebsocketDialer(address, &rest.Config{Host: server.URL})
	require.NoError(b, err)
	stop, ready, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, stop, ready, nil, nil)
	require.NoError(b, err)
	go func() { done <- forwarder.ForwardPorts() }()
	<-ready
	ports, err := forwarder.GetPorts()
	require.NoError(b, err)
	local := net.JoinHostPort("127.0.0.1", fmt.Sprint(ports[0].Local))
	transport := &http.Transport{Proxy: nil}
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, local)
	}
	return &http.Client{Transport: transport}, func() {
		transport.CloseIdleConnections()
		close(stop)
		require.NoError(b, <-done)
	}
}
