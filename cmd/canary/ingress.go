package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"canary/internal/stack"
	"canary/internal/traffic/relay"
)

// needsForward reports whether ingress traffic cannot reach the gateway by the
// stack's url, and gives the reason in words if that may surprise. Names below
// localhost are this machine, and only a k3d cluster of the stack has a port of it;
// any other name may have no DNS record yet.
func (r *requests) needsForward(ctx context.Context, outputs *stack.Outputs) (needs bool, reason string) {
	app, err := outputs.App()
	if err != nil {
		return false, ""
	}
	host := app.Hosts[0]
	if strings.HasSuffix(host, ".localhost") {
		return outputs.Existing, ""
	}
	_, err = r.env.lookup(ctx, host)
	if unknown := new(net.DNSError); !errors.As(err, &unknown) || !unknown.IsNotFound {
		return false, ""
	}
	return true, host + " has no DNS record: the requests go to the ingress gateway by port-forward"
}

// openIngress opens a port-forward to a pod of the ingress gateway, and gives
// the way to dial it.
func (r *requests) openIngress(ctx context.Context, cluster cluster, outputs *stack.Outputs) (
	forward relay.Forward, dial func(ctx context.Context, network, addr string) (net.Conn, error), err error,
) {
	r.show("looking for the ingress gateway")
	app, err := outputs.App()
	if err != nil {
		return nil, nil, err
	}
	to, err := cluster.ingress(ctx, app)
	if err != nil {
		return nil, nil, fmt.Errorf("port-forward to the ingress gateway: %w", err)
	}
	forward = cluster.Forward(to.Namespace, to.Pod)
	return forward, forward.DialContext(to.Port), nil
}
