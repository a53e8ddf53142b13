// Package kubetest makes API servers for tests.
package kubetest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/kube"
)

// API is a client of an API server that knows the objects by path.
func API(t *testing.T, objects map[string]string) *kube.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		object, ok := objects[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			object = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"not found"}`
		}
		_, _ = w.Write([]byte(object))
	}))
	t.Cleanup(server.Close)
	return Client(t, server)
}

// Client is a client of a server.
func Client(t *testing.T, server *httptest.Server) *kube.Client {
	t.Helper()
	client, err := kube.New([]byte(`{"apiVersion":"v1","kind":"Config","current-context":"c","clusters":[{"name":"c","cluster":{"server":"`+server.URL+`"}}],"contexts":[{"name":"c","context":{"cluster":"c"}}]}`), "")
	require.NoError(t, err)
	return client
}
