package envoy

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"canary/internal/mesh"
)

// Proxy is one Envoy, as its pod describes it.
type Proxy struct {
	Namespace, Pod, UID string
	Labels              labels.Set // of its pod
	Gateway             bool       // the app's Gateway selects it
	Sidecar             bool       // it stands beside an app
	Ready               bool       // its istio-proxy container is ready
	Ending              bool       // its pod is being deleted
}

// ID is how istiod names the proxy.
func (p Proxy) ID() string { return p.Pod + "." + p.Namespace }

func (p Proxy) String() string { return p.Namespace + "/" + p.Pod }

// proxiesOf picks the pods that run a proxy. gateway selects those that must
// serve the app's external hosts.
func proxiesOf(pods []corev1.Pod, gateway labels.Selector) []Proxy {
	var proxies []Proxy
	for i := range pods {
		pod := &pods[i]
		if pod.Status.Phase != corev1.PodRunning || !hasProxy(&pod.Spec) {
			continue
		}
		proxies = append(proxies, Proxy{
			Namespace: pod.Namespace, Pod: pod.Name, UID: string(pod.UID), Labels: pod.Labels,
			Gateway: gateway.Matches(labels.Set(pod.Labels)),
			Sidecar: !mesh.IsGateway(pod),
			Ready:   proxyReady(&pod.Status),
			Ending:  pod.DeletionTimestamp != nil,
		})
	}
	return proxies
}

func hasProxy(spec *corev1.PodSpec) bool {
	named := func(c corev1.Container) bool { return c.Name == mesh.ProxyContainer }
	return slices.ContainsFunc(spec.Containers, named) ||
		slices.ContainsFunc(spec.InitContainers, func(c corev1.Container) bool { return named(c) && isSidecar(c) })
}

// isSidecar reports whether an init container keeps running beside the others.
func isSidecar(c corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// proxyReady looks at the container, not at the pod: the node's controller
// makes a pod unready when its node is cut off, while its proxy may go on
// serving the old split.
func proxyReady(status *corev1.PodStatus) bool {
	ready := func(c corev1.ContainerStatus) bool { return c.Name == mesh.ProxyContainer && c.Ready }
	return slices.ContainsFunc(status.ContainerStatuses, ready) || slices.ContainsFunc(status.InitContainerStatuses, ready)
}

// MayCall reports whether the proxy may send requests to the app: others, such as an
// egress gateway, send it none.
func (p Proxy) MayCall() bool { return p.Gateway || p.Sidecar }

// TakesRequests reports whether the proxy gets new connections: a pod that is
// ending still holds a split, and gets none.
func (p Proxy) TakesRequests() bool { return p.Ready && !p.Ending }
