package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/stack"
)

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
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/web" {
					t.Errorf("asked for %s", r.URL.Path)
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			}))
			t.Cleanup(server.Close)
			cluster, err := connect(stack.Secret(fmt.Sprintf(`{"current-context":"a","contexts":[{"name":"a","context":{"cluster":"a"}}],"clusters":[{"name":"a","cluster":{"server":%q}}]}`, server.URL)))
			require.NoError(t, err)
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
