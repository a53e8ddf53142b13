package kube

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	gwebsocket "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// fakeServer is an API server with one pod; ports of the pod are ports of this
// machine's loopback.
type fakeServer struct {
	*httptest.Server
	webSocket bool // serve the WebSocket protocol too, not only SPDY
	opened    atomic.Int32

	mu    sync.Mutex
	conns []httpstream.Connection
}

const forwardPath = "/api/v1/namespaces/mesh/pods/proxy/portforward"

func newFakeServer(t testing.TB, webSocket bool) *fakeServer {
	t.Helper()
	s := &fakeServer{webSocket: webSocket}
	mux := http.NewServeMux()
	mux.HandleFunc(forwardPath, s.portForward)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(w).Encode(metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure",
			Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound, Message: r.URL.Path + " not found",
		})
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		s.dropConnections()
		s.Close()
	})
	return s
}

func (s *fakeServer) client(t testing.TB) *Client {
	t.Helper()
	c, err := newForConfig(&rest.Config{Host: s.URL})
	require.NoError(t, err)
	return c
}

func (s *fakeServer) dropConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.conns {
		_ = conn.Close()
	}
	s.conns = nil
}

func (s *fakeServer) portForward(w http.ResponseWriter, r *http.Request) {
	streams := make(chan httpstream.Stream, 100)
	accept := func(stream httpstream.Stream, _ <-chan struct{}) error {
		streams <- stream
		return nil
	}
	var conn httpstream.Connection
	if gwebsocket.IsWebSocketUpgrade(r) {
		if !s.webSocket {
			http.Error(w, "SPDY only", http.StatusForbidden)
			return
		}
		upgrader := gwebsocket.Upgrader{Subprotocols: []string{portForwardSubprotocol}}
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		if conn, err = spdy.NewServerConnection(portforward.NewTunnelingConnection("server", ws), accept); err != nil {
			return
		}
	} else {
		if _, err := httpstream.Handshake(r, w, []string{portforward.PortForwardProtocolV1Name}); err != nil {
			return
		}
		if conn = spdy.NewResponseUpgrader().UpgradeResponse(w, r, accept); conn == nil {
			return
		}
	}
	s.opened.Add(1)
	s.mu.Lock()
	s.conns = append(s.conns, conn)
	s.mu.Unlock()
	go servePairs(conn, streams)
}

// servePairs does the node's part: it connects each pair of streams to the port.
func servePairs(conn httpstream.Connection, streams <-chan httpstream.Stream) {
	verdicts := map[string]httpstream.Stream{}
	for {
		select {
		case <-conn.CloseChan():
			return
		case stream := <-streams:
			id := stream.Headers().Get(corev1.PortForwardRequestIDHeader)
			if stream.Headers().Get(corev1.StreamType) == corev1.StreamTypeError {
				verdicts[id] = stream
				continue
			}
			go servePair(stream, verdicts[id])
		}
	}
}

func servePair(data, verdict httpstream.Stream) {
	defer func() {
		_ = verdict.Close()
		_ = data.Close()
	}()
	target, err := net.Dial("tcp", "127.0.0.1:"+data.Headers().Get(corev1.PortHeader))
	if err != nil {
		_, _ = fmt.Fprintf(verdict, "failed to execute portforward: %v", err)
		return
	}
	go func() {
		_, _ = io.Copy(target, data)
		_ = target.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(data, target)
	_ = target.Close()
}

// listen serves one loopback port with a handler per connection.
func listen(t *testing.T, handle func(net.Conn)) (port int) {
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
				handle(conn)
			}()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

// closedPort is a port on which nothing listens.
func closedPort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	require.NoError(t, listener.Close())
	return port
}

func kubeconfig(server string, contexts ...string) []byte {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: Config\n")
	fmt.Fprintf(&b, "clusters:\n- name: c\n  cluster: {server: %q}\n", server)
	b.WriteString("users:\n- name: u\n  user: {token: secret}\ncontexts:\n")
	for _, name := range contexts {
		fmt.Fprintf(&b, "- name: %s\n  context: {cluster: c, user: u}\n", name)
	}
	return []byte(b.String())
}
