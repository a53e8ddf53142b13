package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"

	"canary/internal/stack"
	"canary/internal/traffic/relay"
)

// needsForward reports whether ingress traffic cannot reach the gateway by the
// stack's url: names below localhost are this machine, and only a k3d cluster
// of the stack has a port of it.
func needsForward(outputs *stack.Outputs) bool {
	parsed, err := url.Parse(outputs.URL)
	return err == nil && outputs.Existing && strings.HasSuffix(parsed.Hostname(), ".localhost")
}

// openIngress opens a port-forward to a pod of the ingress gateway, and gives
// the way to dial it.
func (r *requests) openIngress(ctx context.Context, cluster cluster, outputs *stack.Outputs) (
	forward relay.Forward, dial func(ctx context.Context, network, addr string) (net.Conn, error), err error,
) {
	r.show("looking for the ingress gateway")
	to, err := cluster.ingress(ctx, outputs.Namespace, outputs.Name)
	if err != nil {
		return nil, nil, fmt.Errorf("port-forward to the ingress gateway: %w", err)
	}
	forward = cluster.Forward(to.Namespace, to.Pod)
	return forward, forward.DialContext(to.Port), nil
}
