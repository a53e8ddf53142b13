package engine

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/require"

	"canary/lab/image"
)

func TestRegistryHosts(t *testing.T) {
	t.Parallel()
	hosts, err := registryHosts([]string{"docker.io/istio/pilot:1", "ghcr.io/a/b:2", "docker.io/library/nginx:3"})
	require.NoError(t, err)
	require.Equal(t, []string{"ghcr.io", "index.docker.io", "registry-1.docker.io"}, hosts)
	_, err = registryHosts([]string{"A b"})
	require.Error(t, err)
}

// The registry here is a stand-in in this process.
func TestPush(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "pods")
	for _, ref := range []string{"docker.io/istio/pilot:1", "ghcr.io/a/b:2"} {
		require.NoError(t, image.AppendToLayout(dir, image.Spec{Ref: ref, Layers: []image.Layer{{{Path: "file", Content: ref}}}, Config: v1.Config{Cmd: []string{"x"}}}))
	}
	images, err := image.ReadLayout(dir)
	require.NoError(t, err)

	r := &Registry{Data: t.TempDir()}
	require.NoError(t, r.writeCertificate([]string{"ghcr.io", "index.docker.io"}))
	certificate, err := tls.LoadX509KeyPair(r.Certificate(), r.file("key.pem"))
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	r.Address = server.Listener.Addr().String()

	require.NoError(t, r.push(t.Context(), images))
	require.NoError(t, r.push(t.Context(), images), "what is there already")
	transport, err := r.transport()
	require.NoError(t, err)
	client := http.Client{Transport: transport}
	for _, path := range []string{"/v2/istio/pilot/manifests/1", "/v2/a/b/manifests/2"} {
		answer, err := client.Get("https://ghcr.io" + path)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, 200, answer.StatusCode, path)
	}
}
