package canary

import (
	"fmt"
	"net/http"
	"regexp"

	networkingv1 "istio.io/api/networking/v1"

	"canary/internal/config"
)

// redirectSuffix is no longer than that of the canary's objects, for which a name has room.
const redirectSuffix = "-http"

// redirectsToPort reports whether requests by HTTP come by a port of this machine, or are
// to go to one, that is not the usual one. A Gateway's own redirect keeps the port of the
// request, and so leads back to the port for HTTP, or to a 443 that nobody has.
func redirectsToPort(c *config.Config) bool {
	cluster := c.Cluster
	return c.TLS.On() && cluster.Provider == config.ProviderK3d && cluster.HTTPSPort != 0 &&
		(cluster.HTTPPort != 80 || cluster.HTTPSPort != 443)
}

// redirectObjects redirect HTTP to the port of this machine that HTTPS has, in a Gateway
// and a VirtualService of their own: that of the app has the split and nothing else.
func redirectObjects(c *config.Config) []istioObject {
	if !redirectsToPort(c) {
		return nil
	}
	routes := make([]*networkingv1.HTTPRoute, len(c.Hosts))
	for i, host := range c.Hosts {
		authority := host
		if port := c.Cluster.HTTPSPort; port != 443 {
			authority = fmt.Sprintf("%s:%d", host, port)
		}
		routes[i] = &networkingv1.HTTPRoute{
			Match: []*networkingv1.HTTPMatchRequest{{Authority: &networkingv1.StringMatch{
				MatchType: &networkingv1.StringMatch_Regex{Regex: "(?i)" + regexp.QuoteMeta(host) + "(:[0-9]+)?"},
			}}},
			Redirect: &networkingv1.HTTPRedirect{Scheme: "https", Authority: authority, RedirectCode: http.StatusMovedPermanently},
		}
	}
	gateway := routingObject(c, "Gateway", gatewayOf(c, plainServer(c)))
	virtualService := routingObject(c, "VirtualService", &networkingv1.VirtualService{
		Hosts: c.Hosts, Gateways: []string{c.Name + redirectSuffix}, Http: routes,
	})
	objects := []istioObject{gateway, virtualService}
	for i := range objects {
		objects[i].name += redirectSuffix
		objects[i].suffix = redirectSuffix
	}
	return objects
}
