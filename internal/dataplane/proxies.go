package dataplane

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"canary/internal/kube"
)

const proxyContainer = "istio-proxy"

// proxy is one Envoy, as its pod describes it.
type proxy struct {
	namespace, pod, uid string
	gateway             bool // the app's Gateway selects it
	ready               bool // its istio-proxy container is ready
	ending              bool // its pod is being deleted
}

// id is how istiod names the proxy.
func (p proxy) id() string { return p.pod + "." + p.namespace }

func (p proxy) String() string { return p.namespace + "/" + p.pod }

// proxiesOf picks the pods that run a proxy. gateway selects those that must
// serve the app's external host.
func proxiesOf(pods []kube.Pod, gateway labels.Selector) []proxy {
	var proxies []proxy
	for i := range pods {
		pod := &pods[i]
		if pod.Status.Phase != kube.PodRunning || !hasProxy(&pod.Spec) {
			continue
		}
		proxies = append(proxies, proxy{
			namespace: pod.Namespace, pod: pod.Name, uid: string(pod.UID),
			gateway: gateway.Matches(labels.Set(pod.Labels)),
			ready:   proxyReady(&pod.Status),
			ending:  pod.DeletionTimestamp != nil,
		})
	}
	return proxies
}

func hasProxy(spec *kube.PodSpec) bool {
	named := func(c kube.Container) bool { return c.Name == proxyContainer }
	return slices.ContainsFunc(spec.Containers, named) ||
		slices.ContainsFunc(spec.InitContainers, func(c kube.Container) bool { return named(c) && isSidecar(c) })
}

// isSidecar reports whether an init container keeps running beside the others.
func isSidecar(c kube.Container) bool {
	return c.RestartPolicy == kube.RestartAlways
}

// proxyReady looks at the container, not at the pod: the node's controller
// makes a pod unready when its node is cut off, while its proxy may go on
// serving the old split.
func proxyReady(status *kube.PodStatus) bool {
	ready := func(c kube.ContainerStatus) bool { return c.Name == proxyContainer && c.Ready }
	return slices.ContainsFunc(status.ContainerStatuses, ready) || slices.ContainsFunc(status.InitContainerStatuses, ready)
}
