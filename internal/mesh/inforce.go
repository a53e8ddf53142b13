package mesh

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"canary/internal/kube"
	"canary/internal/release"
)

// InForce is the app as it is reached from outside now: with the hosts that its Gateway
// and its VirtualService both have, and with TLS when the Gateway has any. It is
// the app itself where they cannot be read, or have no host in common.
func InForce(ctx context.Context, c *kube.Client, app release.App) release.App {
	gateway, err := c.Dynamic().Resource(gateways).Namespace(app.Namespace).Get(ctx, app.Name, metav1.GetOptions{})
	if err != nil {
		return app
	}
	routed, err := release.LiveHosts(ctx, c, app)
	if err != nil {
		return app
	}
	live := app
	live.Hosts, live.TLS = nil, false
	for _, object := range decode[gatewayObject]([]unstructured.Unstructured{*gateway}) {
		for _, server := range object.Spec.Servers {
			live.TLS = live.TLS || server.TLS != nil
			for _, host := range server.Hosts {
				if slices.Contains(routed, host) && !slices.Contains(live.Hosts, host) {
					live.Hosts = append(live.Hosts, host)
				}
			}
		}
	}
	if len(live.Hosts) == 0 {
		return app
	}
	return live
}
