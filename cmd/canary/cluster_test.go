package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/stack"
)

func TestProtocolOfTheCluster(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		status int
		body   string
		want   bool
		error  string
	}{
		{name: "gRPC", status: 200, body: `{"apiVersion":"v1","kind":"Service","spec":{"ports":[{"port":80,"appProtocol":"grpc"}]}}`, want: true},
		{name: "HTTP", status: 200, body: `{"apiVersion":"v1","kind":"Service","spec":{"ports":[{"port":80,"appProtocol":"http"}]}}`},
		{name: "from before there were protocols", status: 200, body: `{"apiVersion":"v1","kind":"Service","spec":{"ports":[{"port":80}]}}`},
		{
			name: "forbidden", status: 403, body: `{"kind":"Status","apiVersion":"v1","status":"Failure","code":403,"reason":"Forbidden","message":"no"}`,
			error: "read Service shop/web: no",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := answering(t, "/api/v1/namespaces/shop/services/web", c.status, c.body).grpc(t.Context(), "shop", "web")
			if c.error != "" {
				require.EqualError(t, err, c.error)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

// answering is a cluster whose API server has one path.
func answering(t *testing.T, path string, status int, body string) cluster {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	cluster, err := connect(stack.Secret(fmt.Sprintf(`{"current-context":"a","contexts":[{"name":"a","context":{"cluster":"a"}}],"clusters":[{"name":"a","cluster":{"server":%q}}]}`, server.URL)))
	require.NoError(t, err)
	return cluster
}

func TestSplitOfTheCluster(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		status int
		body   string
		want   string
		error  string
	}{
		{
			name: "there", status: 200,
			body: `{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","spec":{"http":[{"route":[{"destination":{"subset":"stable"},"weight":90},{"destination":{"subset":"canary"},"weight":10}]}]}}`,
			want: "stable 90 %, canary 10 %",
		},
		{
			name: "not there", status: 404, body: `{"kind":"Status","apiVersion":"v1","status":"Failure","code":404,"reason":"NotFound","message":"not found"}`,
			error: "VirtualService shop/web is not in the cluster (not found): type `pulumi refresh`, then `pulumi up`",
		},
		{
			name: "forbidden", status: 403, body: `{"kind":"Status","apiVersion":"v1","status":"Failure","code":403,"reason":"Forbidden","message":"no"}`,
			error: "read VirtualService shop/web: no",
		},
		{
			name: "changed by hand", status: 200, body: `{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","spec":{}}`,
			error: "VirtualService shop/web is not as the program writes it: it has no HTTP route with a split; type `pulumi refresh`, then `pulumi up`",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cluster := answering(t, "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/web", c.status, c.body)
			split, err := cluster.split(t.Context(), "shop", "web")
			if c.error != "" {
				require.EqualError(t, err, c.error)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, split.String())
		})
	}
}
