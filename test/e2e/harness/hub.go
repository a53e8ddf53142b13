//go:build e2e

package harness

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/pins"
)

// Hub is a registry of this process that stands for docker.io, which it asks for what it does not have. What leaves it is
// counted, and leaves it as fast as its line allows.
type Hub struct {
	URL string

	beyond  http.Handler
	refuses atomic.Bool
	program []File // in the layer of each image
	mu      sync.Mutex
	content map[string][]byte // by digest, and manifests by /NAME:TAG, too
	sent    Sent
	free    time.Time // when the line has sent all that was given to it
}

// Sent is what a Hub sent.
type Sent struct {
	Manifests int            // as docker.io counts pulls
	Blobs     map[string]int // how often, by digest
	Bytes     int64          // of both
}

// bytesPerSecond are 100 Mbit/s.
const bytesPerSecond = 100_000_000 / 8

// StartHub starts one where the containers of this machine's Docker reach it, until the test is over.
func StartHub(t *testing.T) *Hub {
	t.Helper()
	gateway := strings.TrimSpace(Run(t, ".", nil, "docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"))
	listener, err := net.Listen("tcp", net.JoinHostPort(gateway, "0"))
	require.NoError(t, err)
	h := &Hub{URL: "http://" + listener.Addr().String(), program: BuildProgram(t, "testserver"), content: map[string][]byte{}}
	h.beyond = &httputil.ReverseProxy{Transport: toDockerIO(t), Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(dockerIO) }, ModifyResponse: h.count}
	h.TakeCount()
	server := &http.Server{Handler: http.HandlerFunc(h.serve), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return h
}

var dockerIO = &url.URL{Scheme: "https", Host: "registry-1.docker.io"}

// toDockerIO reaches it as the nodes of clusters do.
func toDockerIO(t *testing.T) http.RoundTripper {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if address := registryOfNodes(t); address != "" {
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // the certificate is the nodes' affair
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(address, "443"))
		}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// registryOfNodes is the address at which the lab's nodes have the public registries; "" when they do not pull.
func registryOfNodes(t *testing.T) string {
	t.Helper()
	env := Run(t, ".", nil, "docker", "image", "inspect", pins.K3sImage, "--format", "{{range .Config.Env}}{{println .}}{{end}}")
	_, hosts, _ := strings.Cut(env, "\nLAB_REGISTRY=")
	return strings.SplitN(hosts+" ", " ", 2)[0]
}

// SkipUnlessNodesPull skips a test where all that nodes pull could not be counted: they have the images beforehand, or
// docker.io sends whoever pulls on to others.
func SkipUnlessNodesPull(t *testing.T) {
	t.Helper()
	if registryOfNodes(t) == "" {
		t.Skip("it needs LAB_REGISTRY=1")
	}
}

// count counts what comes from docker.io.
func (h *Hub) count(answer *http.Response) error {
	if kind := path.Base(path.Dir(answer.Request.URL.Path)); answer.Request.Method == http.MethodGet && answer.StatusCode == http.StatusOK && kind == "manifests" {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.sent.Manifests++
	}
	return nil
}

// Pause makes every answer 429, as of docker.io when there were too many pulls, until the function that it gives is called.
func (h *Hub) Pause() (resume func()) {
	h.refuses.Store(true)
	return func() { h.refuses.Store(false) }
}

// Add adds an image of the test server with so many random bytes, and gives its reference and what a node pulls of it.
func (h *Hub) Add(t *testing.T, name string, random int) (reference string, size int64) {
	t.Helper()
	noise := make([]byte, random)
	_, err := rand.Read(noise)
	require.NoError(t, err)
	digest, content := ociImage(t, Archive(t, append(slices.Clip(h.program), File{name: "noise", mode: 0o644, content: noise})))
	h.mu.Lock()
	defer h.mu.Unlock()
	for one, b := range content {
		size += int64(len(b))
		h.content[one] = b
	}
	h.content["/"+name+":1"] = content[digest]
	return "docker.io/" + name + ":1", size
}

// TakeCount gives what was sent since it was called last.
func (h *Hub) TakeCount() Sent {
	h.mu.Lock()
	defer h.mu.Unlock()
	sent := h.sent
	h.sent = Sent{Blobs: map[string]int{}}
	return sent
}

// serve answers the pulling half of the distribution API: /v2/, /v2/NAME/manifests/TAG or DIGEST, /v2/NAME/blobs/DIGEST.
func (h *Hub) serve(w http.ResponseWriter, r *http.Request) {
	if h.refuses.Load() {
		http.Error(w, "too many requests", http.StatusTooManyRequests)
		return
	}
	kind, reference := path.Base(path.Dir(r.URL.Path)), path.Base(r.URL.Path)
	key := reference
	if !strings.Contains(key, ":") {
		key = strings.TrimPrefix(path.Dir(path.Dir(r.URL.Path)), "/v2") + ":" + reference
	}
	h.mu.Lock()
	b, found := h.content[key]
	if found && r.Method == http.MethodGet {
		if kind == "manifests" {
			h.sent.Manifests++
		} else {
			h.sent.Blobs[reference]++
		}
	}
	h.mu.Unlock()
	if r.URL.Path == "/v2/" {
		return
	}
	if !found {
		h.beyond.ServeHTTP(line{w, h}, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if kind == "manifests" {
		w.Header().Set("Content-Type", ociMedia+ociManifest)
	}
	w.Header().Set("Docker-Content-Digest", fmt.Sprintf("sha256:%x", sha256.Sum256(b)))
	http.ServeContent(line{w, h}, r, "", time.Time{}, bytes.NewReader(b))
}

// line is an answer that shares the Hub's line with the others.
type line struct {
	http.ResponseWriter
	hub *Hub
}

func (l line) Write(b []byte) (int, error) {
	n, err := l.ResponseWriter.Write(b)
	l.hub.mu.Lock()
	l.hub.sent.Bytes += int64(n)
	if now := time.Now(); l.hub.free.Before(now) {
		l.hub.free = now
	}
	l.hub.free = l.hub.free.Add(time.Duration(n) * time.Second / bytesPerSecond)
	wait := time.Until(l.hub.free)
	l.hub.mu.Unlock()
	time.Sleep(wait)
	return n, err
}
