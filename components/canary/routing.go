package canary

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networkingv1 "istio.io/api/networking/v1"
	securityv1beta1 "istio.io/api/security/v1beta1"

	"canary/internal/config"
	"canary/internal/release"
)

const (
	networkingVersion = "networking.istio.io/v1"
	securityVersion   = "security.istio.io/v1"

	// meshGateway is Istio's name for all sidecars.
	meshGateway = "mesh"
)

// gatewayObject opens the app's hosts at the ingress gateway.
func gatewayObject(c *config.Config) istioObject {
	http := plainServer(c)
	if !c.TLS.On() {
		return routingObject(c, "Gateway", gatewayOf(c, http))
	}
	https := &networkingv1.Server{
		Port:  &networkingv1.Port{Number: 443, Name: "https", Protocol: "HTTPS"},
		Hosts: c.Hosts,
		Tls: &networkingv1.ServerTLSSettings{
			Mode: networkingv1.ServerTLSSettings_SIMPLE, CredentialName: cmp.Or(c.TLS.Secret, tlsSecretName(c)),
		},
	}
	if redirectsToPort(c) {
		return routingObject(c, "Gateway", gatewayOf(c, https))
	}
	http.Tls = &networkingv1.ServerTLSSettings{HttpsRedirect: true}
	return routingObject(c, "Gateway", gatewayOf(c, http, https))
}

func plainServer(c *config.Config) *networkingv1.Server {
	return &networkingv1.Server{Port: &networkingv1.Port{Number: 80, Name: "http", Protocol: "HTTP"}, Hosts: c.Hosts}
}

func gatewayOf(c *config.Config, servers ...*networkingv1.Server) *networkingv1.Gateway {
	return &networkingv1.Gateway{Selector: map[string]string{"istio": c.Istio.Gateway}, Servers: servers}
}

// destinationRuleObject names both subsets, always: a route to a subset that a proxy
// does not know yet answers 503.
func destinationRuleObject(c *config.Config) istioObject {
	named := func(subset string) *networkingv1.Subset {
		return &networkingv1.Subset{Name: subset, Labels: map[string]string{release.LabelSubset: subset}}
	}
	return routingObject(c, "DestinationRule", &networkingv1.DestinationRule{
		Host:          c.Name,
		Subsets:       []*networkingv1.Subset{named(release.Stable), named(release.Canary)},
		TrafficPolicy: trafficPolicy(c),
	})
}

// trafficPolicy makes callers leave a pod alone that they cannot reach, as those of a lost
// node; nil is Istio's own. What pods answer plays no part: a sick canary stays to be
// judged. At most half of a subset is left alone, and so never a single pod.
func trafficPolicy(c *config.Config) *networkingv1.TrafficPolicy {
	if !c.OutlierDetection {
		return nil
	}
	const attempt, look, alone, unused = 3 * time.Second, time.Second, 10 * time.Second, 10 * time.Second
	const failures, most = 5, 50
	return &networkingv1.TrafficPolicy{
		ConnectionPool: &networkingv1.ConnectionPoolSettings{
			Tcp: &networkingv1.ConnectionPoolSettings_TCPSettings{ConnectTimeout: durationpb.New(attempt)},
			// Each connection that is kept to a lost pod takes a request with it. Envoy keeps them for an hour.
			Http: &networkingv1.ConnectionPoolSettings_HTTPSettings{IdleTimeout: durationpb.New(unused)},
		},
		OutlierDetection: &networkingv1.OutlierDetection{
			SplitExternalLocalOriginErrors: true,
			ConsecutiveLocalOriginFailures: wrapperspb.UInt32(failures),
			Consecutive_5XxErrors:          wrapperspb.UInt32(0),
			ConsecutiveGatewayErrors:       wrapperspb.UInt32(0),
			Interval:                       durationpb.New(look),
			BaseEjectionTime:               durationpb.New(alone),
			MaxEjectionPercent:             most,
		},
	}
}

// virtualServiceObject is the split. One route serves the app's hosts at the ingress
// gateway and its name inside the mesh, so both kinds of traffic split alike. Before it
// are the route to the canary alone and, for stickyCookie, the split of first visits.
func virtualServiceObject(c *config.Config) istioObject {
	to := func(subset string, weight int32) *networkingv1.HTTPRouteDestination {
		return &networkingv1.HTTPRouteDestination{
			Destination: &networkingv1.Destination{Host: c.Name, Subset: subset},
			Weight:      weight,
			// Envoy leaves a header out whose value is empty, so only who asks is answered.
			Headers: &networkingv1.Headers{Response: &networkingv1.Headers_HeaderOperations{
				Set: map[string]string{release.AnswerHeader(subset): "%REQ(" + release.AskHeader + ")%"},
			}},
		}
	}
	extras, both := Extras(c), weights(c)
	split := func() *networkingv1.HTTPRoute {
		route := &networkingv1.HTTPRoute{
			Route: []*networkingv1.HTTPRouteDestination{to(release.Stable, both.Stable), to(release.Canary, both.Canary)},
		}
		if extras.Mirrored > 0 {
			route.Mirror = &networkingv1.Destination{Host: c.Name, Subset: release.Canary}
			route.MirrorPercentage = &networkingv1.Percent{Value: extras.Mirrored}
		}
		return route
	}
	var routes []*networkingv1.HTTPRoute
	if extras.Header != "" {
		routes = append(routes, &networkingv1.HTTPRoute{
			Match: []*networkingv1.HTTPMatchRequest{{Headers: headerMatch(extras.Header)}},
			Route: []*networkingv1.HTTPRouteDestination{to(release.Canary, 100)},
		})
	}
	if extras.Cookie != "" {
		routes = append(routes, firstVisit(c, split()))
	}
	last := split()
	if extras.Cookie != "" {
		last.Name = stickyRoute(c)
	}
	return routingObject(c, "VirtualService", &networkingv1.VirtualService{
		Hosts:    append([]string{c.Name}, c.Hosts...),
		Gateways: []string{meshGateway, c.Name},
		Http:     append(routes, last),
	})
}

// headerMatch is met by requests with a header NAME, or NAME=VALUE.
func headerMatch(header string) map[string]*networkingv1.StringMatch {
	name, value, exact := strings.Cut(header, "=")
	match := &networkingv1.StringMatch{} // that it is there
	if exact {
		match.MatchType = &networkingv1.StringMatch_Exact{Exact: value}
	}
	return map[string]*networkingv1.StringMatch{name: match}
}

// Extras are what the app's routes do beside the split. A canary without pods is sent
// nothing.
func Extras(c *config.Config) release.Extras {
	extras := release.Extras{Cookie: c.StickyCookie}
	if c.CanaryReplicas > 0 {
		extras.Header, extras.Mirrored = c.CanaryHeader, c.MirrorPercent.Percent()
	}
	return extras
}

// weights are both weights of the wanted split, as the VirtualService has them. For
// stickyCookie they always add up to the same: a user is a number below the sum.
func weights(c *config.Config) release.Split {
	stable, canary := c.CanaryWeight.Split()
	if c.StickyCookie != "" {
		stable, canary = c.CanaryWeight.Parts()
	}
	return release.Split{Stable: stable, Canary: canary}
}

// strictMTLS refuses what does not come through a sidecar or a gateway. The
// kubelet's probes still work: the sidecar answers them in the app's place.
func strictMTLS() istioObject {
	return istioObject{version: securityVersion, kind: "PeerAuthentication", name: "default", spec: &securityv1beta1.PeerAuthentication{
		Mtls: &securityv1beta1.PeerAuthentication_MutualTLS{Mode: securityv1beta1.PeerAuthentication_MutualTLS_STRICT},
	}}
}

// istioObject is an object of one of Istio's kinds.
type istioObject struct {
	version, kind, name string
	namespace           string // "" is the app's
	suffix              string // of the resource's name, where the app has several of a kind
	spec                json.Marshaler
}

// in is the object's namespace.
func (o istioObject) in(c *config.Config) string { return cmp.Or(o.namespace, c.Namespace) }

// routingObject is one of those that lead traffic to the app; all have its name.
func routingObject(c *config.Config, kind string, spec json.Marshaler) istioObject {
	return istioObject{version: networkingVersion, kind: kind, name: c.Name, spec: spec}
}

// args are the object's.
func (o istioObject) args(c *config.Config) (*apiextensions.CustomResourceArgs, error) {
	fields, err := specFields(o.spec)
	if err != nil {
		return nil, fmt.Errorf("%s %s/%s: %w", o.kind, o.in(c), o.name, err)
	}
	meta := metadata(c, o.name, map[string]string{release.LabelName: c.Name}, nil)
	meta.Namespace = pulumi.String(o.in(c))
	return &apiextensions.CustomResourceArgs{
		ApiVersion:  pulumi.String(o.version),
		Kind:        pulumi.String(o.kind),
		Metadata:    meta,
		OtherFields: kubernetes.UntypedArgs{"spec": fields},
	}, nil
}

// specFields are the fields of one of Istio's types. Its JSON leaves out a weight
// of 0, and a preview would not show it: weights are always written.
func specFields(spec json.Marshaler) (map[string]any, error) {
	fields, err := fieldsOf(spec)
	if err != nil {
		return nil, fmt.Errorf("spec: %w", err)
	}
	if virtualService, ok := spec.(*networkingv1.VirtualService); ok {
		writeWeights(fields, virtualService)
	}
	return fields, nil
}

// writeWeights sets the weight of every route in fields, which was made from v
// and has its shape.
func writeWeights(fields map[string]any, v *networkingv1.VirtualService) {
	for i, http := range v.GetHttp() {
		routes, _ := fields["http"].([]any)[i].(map[string]any)["route"].([]any) // a redirect has none
		for j, route := range http.GetRoute() {
			routes[j].(map[string]any)["weight"] = route.GetWeight()
		}
	}
}
