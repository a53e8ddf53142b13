package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/stack"
	"canary/internal/traffic"
)

func TestNeedsForward(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		url      string
		existing bool
		lookup   error
		want     bool
		reason   string
	}{
		{"http://web.shop.localhost", true, nil, true, ""},
		{"http://web.shop.localhost:8080", false, nil, false, ""},
		{"http://web.shop.localhost", false, nil, false, ""},
		{"http://shop.example.com", true, nil, false, ""},
		{"http://localhost.example.com", true, nil, false, ""},
		{"http://shop.example.com", true, noSuchHost, true, "shop.example.com has no DNS record: the requests go to the ingress gateway by port-forward"},
		{"http://shop.example.com:8080", false, noSuchHost, true, "shop.example.com has no DNS record: the requests go to the ingress gateway by port-forward"},
		{"http://shop.example.com", true, &net.DNSError{Err: "server misbehaving", IsTemporary: true}, false, ""},
	} {
		r := requests{env: environment{lookup: func(context.Context, string) ([]string, error) { return nil, tc.lookup }}}
		needs, reason := r.needsForward(t.Context(), &stack.Outputs{URL: tc.url, Existing: tc.existing})
		require.Equal(t, tc.want, needs, "%+v", tc)
		require.Equal(t, tc.reason, reason, "%+v", tc)
	}
}

var noSuchHost = &net.DNSError{Err: "no such host", IsNotFound: true}

// On an existing cluster a host below .localhost is reached through a pod of the
// gateway, and so is one that has no DNS record yet; it is still the host that the
// gateway is asked for.
func TestRequestsThroughGatewayPod(t *testing.T) {
	t.Parallel()
	f := newFakeCluster(t, traffic.Split{{Subset: "stable", Weight: 100}, {Subset: "canary", Weight: 0}}, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "web.shop.localhost" && r.Host != "shop.example.com" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		from("stable", w, r)
	})
	for name, tc := range map[string]struct {
		app  string
		host string
		code int
		said string
	}{
		"there":         {"web", "web.shop.localhost", 0, "within the bound"},
		"no DNS record": {"web", "shop.example.com", 0, "within the bound"},
		"missing":       {"other", "web.shop.localhost", exitCannot, "port-forward to the ingress gateway: no such app"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), []string{"requests", "--count", "10"}, environment{
				stdout: &stdout, stderr: &stderr,
				outputs: func(context.Context, string) (*stack.Outputs, error) {
					return &stack.Outputs{URL: "http://" + tc.host, Namespace: "shop", Name: tc.app, Existing: true}, nil
				},
				lookup:  func(context.Context, string) ([]string, error) { return nil, noSuchHost },
				connect: func(stack.Secret) (cluster, error) { return f, nil },
			})
			require.Equal(t, tc.code, code, "%s%s", stdout.String(), stderr.String())
			require.Contains(t, stdout.String()+stderr.String(), tc.said)
		})
	}
}
