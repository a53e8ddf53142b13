package canary

import (
	"encoding/json"
	"fmt"

	networkingv1 "istio.io/api/networking/v1"

	"canary/internal/config"
)

const (
	// The API of EnvoyFilter has no later version.
	envoyFilterVersion = "networking.istio.io/v1alpha3"

	requestID = "x-request-id"
	// userLength is how much of a first request's ID becomes the user's cookie. What comes
	// after it Envoy may change when it has chosen the route.
	userLength = 13
)

// stickyRoute and firstVisitRoute are the names of the routes that the EnvoyFilter is
// for; no other app has them.
func stickyRoute(c *config.Config) string     { return c.Namespace + "." + c.Name + ".split" }
func firstVisitRoute(c *config.Config) string { return c.Namespace + "." + c.Name + ".first-visit" }

// firstVisit makes a route that of ingress requests without the cookie.
func firstVisit(c *config.Config, route *networkingv1.HTTPRoute) *networkingv1.HTTPRoute {
	route.Name = firstVisitRoute(c)
	route.Match = []*networkingv1.HTTPMatchRequest{{
		Gateways: []string{c.Name},
		WithoutHeaders: map[string]*networkingv1.StringMatch{"cookie": {
			MatchType: &networkingv1.StringMatch_Regex{Regex: "(.*; *)?" + c.StickyCookie + "=[^;].*"},
		}},
	}}
	return route
}

// envoyFilterObject makes the ingress gateway draw the subset by the user: by the cookie,
// or by the ID of the first request, which then becomes the cookie. It lies beside the
// gateway's pods, since an EnvoyFilter is for its own namespace.
func envoyFilterObject(c *config.Config) istioObject {
	secure := ""
	if c.TLS.On() {
		secure = "; Secure"
	}
	cookie := fmt.Sprintf("%s=%%REQ(%s):%d%%; Max-Age=%d; Path=/; HttpOnly; SameSite=Lax%s", c.StickyCookie, requestID, userLength, c.StickySeconds, secure)
	byUser := map[string]any{
		"hash_policy": []any{
			map[string]any{"cookie": map[string]any{"name": c.StickyCookie}, "terminal": true},
			map[string]any{"header": map[string]any{
				"header_name": requestID,
				"regex_rewrite": map[string]any{
					"pattern":      map[string]any{"regex": fmt.Sprintf("^(.{%d}).*$", userLength)},
					"substitution": `\1`,
				},
			}},
		},
		"weighted_clusters": map[string]any{"use_hash_policy": true},
	}
	setCookie := map[string]any{
		"header":        map[string]any{"key": "set-cookie", "value": cookie},
		"append_action": "APPEND_IF_EXISTS_OR_ADD",
	}
	return istioObject{
		version: envoyFilterVersion, kind: "EnvoyFilter", namespace: c.Istio.Namespace, name: c.Namespace + "." + c.Name + ".sticky",
		spec: fields{
			"workloadSelector": map[string]any{"labels": map[string]any{"istio": c.Istio.Gateway}},
			"configPatches": []any{
				mergeInto(firstVisitRoute(c), map[string]any{"route": byUser, "response_headers_to_add": []any{setCookie}}),
				mergeInto(stickyRoute(c), map[string]any{"route": byUser}),
			},
		},
	}
}

// mergeInto is a patch of the gateways' route with the name.
func mergeInto(route string, value map[string]any) map[string]any {
	return map[string]any{
		"applyTo": "HTTP_ROUTE",
		"match": map[string]any{
			"context":            "GATEWAY",
			"routeConfiguration": map[string]any{"vhost": map[string]any{"route": map[string]any{"name": route}}},
		},
		"patch": map[string]any{"operation": "MERGE", "value": value},
	}
}

// fields are a spec whose type is not Istio's but, below its patches, Envoy's.
type fields map[string]any

// MarshalJSON makes them a spec as the others.
func (f fields) MarshalJSON() ([]byte, error) { return json.Marshal(map[string]any(f)) }
