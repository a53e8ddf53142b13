package mesh

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"canary/internal/kube"
	"canary/internal/release"
)

var sidecars = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "sidecars"}

// Foreign is an object that is none of the app's and stands between the app's own
// and the proxies: no wait helps against it. The zero value is none.
type Foreign struct {
	Object string // kind, namespace and name
	Does   string
	Repair string
}

func (f Foreign) String() string { return f.Object + " " + f.Does + ": " + f.Repair }

// ForeignVirtualService is one whose routes a proxy has for some of the app's hosts,
// or for its Service when those are none, by namespace/name.
func ForeignVirtualService(name string, hosts []string) Foreign {
	f := Foreign{"VirtualService " + name, "takes requests for the app's Service", "take its name out of it, or remove it"}
	if len(hosts) > 0 {
		f.Does, f.Repair = "takes requests for the app's "+named(hosts), takeOut(hosts)
	}
	return f
}

// named gives hosts with their names, and takeOut is how somebody else's object lets go of them.
func named(hosts []string) string { return plural("host", hosts) + " " + strings.Join(hosts, ", ") }

func takeOut(hosts []string) string {
	return "take the " + plural("host", hosts) + " out of it, or remove it"
}

func plural(word string, of []string) string {
	if len(of) == 1 {
		return word
	}
	return word + "s"
}

// ForeignDestinationRule is one that a proxy uses for the app's Service in place of
// the app's own, and that does not have some subsets.
func ForeignDestinationRule(name string, missing []string) Foreign {
	return Foreign{
		"DestinationRule " + name, "stands in place of the app's and has no subset " + strings.Join(missing, " or "),
		"add what is missing, or remove it",
	}
}

// Others are the objects of all namespaces that may stand between the app's own
// and a proxy, and that the proxy itself does not name.
type Others struct {
	gateways []gatewayObject
	sidecars []sidecarObject
}

type gatewayObject struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector map[string]string `json:"selector"`
		Servers  []gatewayServer   `json:"servers"`
	} `json:"spec"`
}

type gatewayServer struct {
	Port struct {
		Number   int    `json:"number"`
		Protocol string `json:"protocol"`
	} `json:"port"`
	Bind  string   `json:"bind"`
	Hosts []string `json:"hosts"`
	TLS   *struct {
		HTTPSRedirect bool `json:"httpsRedirect"`
	} `json:"tls"`
}

type sidecarObject struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		WorkloadSelector *struct {
			Labels map[string]string `json:"labels"`
		} `json:"workloadSelector"`
		Egress []egressListener `json:"egress"`
	} `json:"spec"`
}

type egressListener struct {
	Port struct {
		Number int `json:"number"`
	} `json:"port"`
	Hosts []string `json:"hosts"`
}

// ReadOthers reads them. What cannot be read is left out: it costs a name in a
// message, and no more.
func ReadOthers(ctx context.Context, c *kube.Client) Others {
	return Others{gateways: readAll[gatewayObject](ctx, c, gateways), sidecars: readAll[sidecarObject](ctx, c, sidecars)}
}

func readAll[T any](ctx context.Context, c *kube.Client, kind schema.GroupVersionResource) []T {
	list, err := c.Dynamic().Resource(kind).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil
	}
	return decode[T](list.Items)
}

func decode[T any](items []unstructured.Unstructured) []T {
	var all []T
	for i := range items {
		var object T
		if runtime.DefaultUnstructuredConverter.FromUnstructured(items[i].Object, &object) == nil {
			all = append(all, object)
		}
	}
	return all
}

// Gateway finds the Gateway that keeps requests for one of the app's hosts from the app's
// routes, at a pod of the ingress gateway with these labels.
//
// Istio merges all Gateways that select a pod, the oldest first. A host that any of
// them redirects to HTTPS is redirected. The first server on a port decides whether
// it speaks HTTP, or TLS; those that do not agree are left out. So is one with TLS as a
// whole when an older one on its port has any of its hosts.
func (o Others) Gateway(app release.App, pod labels.Set) Foreign {
	var own *gatewayObject
	for i := range o.gateways {
		if isApps(o.gateways[i].ObjectMeta, app) {
			own = &o.gateways[i]
		}
	}
	for i := range o.gateways {
		g := &o.gateways[i]
		if g == own || !labels.SelectorFromSet(g.Spec.Selector).Matches(pod) {
			continue
		}
		older := own != nil && olderFirst(g.ObjectMeta, own.ObjectMeta) < 0
		for _, server := range g.Spec.Servers {
			if server.Bind != "" {
				continue
			}
			plain, https := server.Port.Number == httpPort, server.Port.Number == httpsPort && app.TLS
			hosts := server.among(app.Hosts)
			switch {
			case plain && !app.TLS && server.redirects() && len(hosts) > 0:
				return Foreign{g.named("Gateway"), "redirects requests for the app's " + named(hosts) + " to HTTPS", takeOut(hosts)}
			case older && server.TLS == nil && (plain && !server.isHTTP() || https):
				return Foreign{
					g.named("Gateway"),
					fmt.Sprintf("has taken port %d of the ingress gateway for %s, and is older than the app's", server.Port.Number, server.Port.Protocol),
					"take the port out of it, or remove it",
				}
			case older && https && len(hosts) > 0:
				return Foreign{
					g.named("Gateway"), fmt.Sprintf("has the app's %s on port %d, and is older than the app's", named(hosts), httpsPort), takeOut(hosts),
				}
			}
		}
	}
	return Foreign{}
}

func (g *gatewayObject) named(kind string) string { return kind + " " + g.Namespace + "/" + g.Name }

func isApps(object metav1.ObjectMeta, app release.App) bool {
	return object.Namespace == app.Namespace && object.Name == app.Name
}

func (s gatewayServer) isHTTP() bool {
	protocol := strings.ToUpper(s.Port.Protocol)
	return strings.HasPrefix(protocol, "HTTP") || strings.HasPrefix(protocol, "GRPC")
}

func (s gatewayServer) redirects() bool { return s.TLS != nil && s.TLS.HTTPSRedirect && s.isHTTP() }

// among are those of some hosts that the server has. It looks for the very host: what is
// said of "*" is another virtual host's, and a host with a namespace before it is bound
// to that namespace's routes.
func (s gatewayServer) among(hosts []string) []string {
	return slices.DeleteFunc(slices.Clone(hosts), func(host string) bool {
		return !slices.ContainsFunc(s.Hosts, func(h string) bool { return strings.EqualFold(strings.TrimPrefix(h, "*/"), host) })
	})
}

// olderFirst is the order in which Istio merges objects; times are whole seconds.
func olderFirst(a, b metav1.ObjectMeta) int {
	return cmp.Or(
		a.CreationTimestamp.Truncate(time.Second).Compare(b.CreationTimestamp.Truncate(time.Second)),
		strings.Compare(a.Name, b.Name), strings.Compare(a.Namespace, b.Namespace),
	)
}

// Hiding names the Sidecar, as namespace/name, that leaves the app out of what a
// pod can call; "" when there is none. The pod's proxy then has no route for it.
func (o Others) Hiding(app release.App, namespace string, pod labels.Set) string {
	applies := o.applies(namespace, pod)
	if applies == nil || !applies.leavesOut(app, namespace) {
		return ""
	}
	return applies.Namespace + "/" + applies.Name
}

// applies is the one Sidecar that counts for a pod: of its namespace, one whose
// selector fits comes before one without a selector, and an older one before a
// younger; without any it is the one of Istio's root namespace.
func (o Others) applies(namespace string, pod labels.Set) *sidecarObject {
	for _, in := range []string{namespace, istioNamespace} {
		var first *sidecarObject
		for i := range o.sidecars {
			s := &o.sidecars[i]
			selects := s.Spec.WorkloadSelector != nil
			switch {
			case s.Namespace != in,
				selects && (in != namespace || !labels.SelectorFromSet(s.Spec.WorkloadSelector.Labels).Matches(pod)):
			case first == nil, selects && first.Spec.WorkloadSelector == nil,
				selects == (first.Spec.WorkloadSelector != nil) && olderFirst(s.ObjectMeta, first.ObjectMeta) < 0:
				first = s
			}
		}
		if first != nil {
			return first
		}
	}
	return nil
}

func (s *sidecarObject) leavesOut(app release.App, namespace string) bool {
	includes := func(l egressListener) bool {
		return (l.Port.Number == 0 || l.Port.Number == httpPort) && l.includes(app, namespace)
	}
	return len(s.Spec.Egress) > 0 && !slices.ContainsFunc(s.Spec.Egress, includes)
}

// includes reads the hosts, which are namespace/host: "*" is any namespace, "." the
// pod's own, and "~" before it takes out what others let in.
func (l egressListener) includes(app release.App, namespace string) bool {
	included := false
	for _, entry := range l.Hosts {
		in, host, _ := strings.Cut(entry, "/")
		in, out := strings.CutPrefix(in, "~")
		switch {
		case in == "." && namespace != app.Namespace, in != "." && in != "*" && in != "" && in != app.Namespace, !matchesService(app, host):
		case out:
			return false
		default:
			included = true
		}
	}
	return included
}

// matchesService leaves the external host out of account: with that alone a sidecar
// has no route for the app.
func matchesService(app release.App, host string) bool {
	if suffix, wildcard := strings.CutPrefix(host, "*"); wildcard {
		return strings.HasSuffix(app.Name+"."+app.Namespace+".svc.cluster.local", suffix)
	}
	return app.IsService(host)
}
