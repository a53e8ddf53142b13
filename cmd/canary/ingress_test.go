package main

import (
	"bytes"
	"context"
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
		want     bool
	}{
		{"http://web.shop.localhost", true, true},
		{"http://web.shop.localhost:8080", false, false},
		{"http://web.shop.localhost", false, false},
		{"http://shop.example.com", true, false},
		{"http://localhost.example.com", true, false},
	} {
		require.Equal(t, tc.want, needsForward(&stack.Outputs{URL: tc.url, Existing: tc.existing}), "%+v", tc)
	}
}

// On an existing cluster a host below .localhost is reached through a pod of the
// gateway, and is still the host that the gateway is asked for.
func TestRequestsThroughGatewayPod(t *testing.T) {
	t.Parallel()
	f := newFakeCluster(t, traffic.Split{{Subset: "stable", Weight: 100}, {Subset: "canary", Weight: 0}}, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "web.shop.localhost" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(`{"subset":"stable"}`))
	})
	for name, tc := range map[string]struct {
		app  string
		code int
		said string
	}{
		"there":   {app: "web", code: 0, said: "within the bound"},
		"missing": {app: "other", code: exitCannot, said: "port-forward to the ingress gateway: no such app"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), []string{"requests", "--count", "10"}, environment{
				stdout: &stdout, stderr: &stderr,
				outputs: func(context.Context, string) (*stack.Outputs, error) {
					return &stack.Outputs{URL: "http://web.shop.localhost", Namespace: "shop", Name: tc.app, Existing: true}, nil
				},
				connect: func(stack.Secret) (cluster, error) { return f, nil },
			})
			require.Equal(t, tc.code, code, "%s%s", stdout.String(), stderr.String())
			require.Contains(t, stdout.String()+stderr.String(), tc.said)
		})
	}
}
