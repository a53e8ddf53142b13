package podpatch

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// proxyID is the user and group of Istio's proxy, whose traffic passes the sidecar by.
const proxyID = 1337

// Istio's containers in a pod.
var istioContainers = []string{"istio-proxy", "istio-init", "istio-validation"}

// What must be as the template has it, since the release rests on it, and what to do
// instead.
var (
	labels = map[string]string{
		"app.kubernetes.io/name":   "it selects the app's pods",
		"app.kubernetes.io/subset": "it selects the subset's pods",
		"istio.io/rev":             "set `istioRevision`",
		"sidecar.istio.io/inject":  sidecarReason,
	}
	annotations = map[string]string{
		"checksum/env":                                 "it makes the pods follow `env`",
		"checksum/nginx.conf":                          "it makes the pods follow the example app's settings",
		"inject.istio.io/templates":                    sidecarReason,
		"proxy.istio.io/config":                        "the drain rests on it: set `drainSeconds`",
		"proxy.istio.io/overrides":                     sidecarReason,
		"sidecar.istio.io/inject":                      sidecarReason,
		"sidecar.istio.io/rewriteAppHTTPProbers":       "probes have to come through the sidecar",
		"traffic.sidecar.istio.io/excludeInboundPorts": sidecarReason,
		"traffic.sidecar.istio.io/includeInboundPorts": sidecarReason,
	}
)

const sidecarReason = "the app's requests have to come through the sidecar"

// Check names what a merge has changed of that on which the release rests. before is
// the template, after what was made of it.
func Check(before, after corev1.PodTemplateSpec) []Problem {
	c := &checker{}
	c.keep("metadata.labels", before.Labels, after.Labels, labels)
	c.keep("metadata.annotations", before.Annotations, after.Annotations, annotations)
	c.checkPod(before.Spec, after.Spec)
	i := slices.IndexFunc(after.Spec.Containers, func(container corev1.Container) bool { return container.Name == App })
	if i < 0 {
		c.refuse("spec.containers", "the container %s is the app's, and has to stay", App)
		return c.problems
	}
	c.checkApp(before.Spec.Containers[0], after.Spec.Containers[i])
	return c.problems
}

func (c *checker) keep(path string, before, after map[string]string, fixed map[string]string) {
	for _, name := range sortedKeys(fixed) {
		was, had := before[name]
		is, has := after[name]
		if was != is || had != has {
			c.refuse(path+"["+name+"]", "it cannot be set here: %s", fixed[name])
		}
	}
}

func (c *checker) checkPod(before, after corev1.PodSpec) {
	if after.HostNetwork {
		c.refuse("spec.hostNetwork", "a pod on the node's network gets no sidecar")
	}
	if after.RestartPolicy != "" && after.RestartPolicy != corev1.RestartPolicyAlways {
		c.refuse("spec.restartPolicy", "found %q, allowed: %q, since the pods are a Deployment's", after.RestartPolicy, corev1.RestartPolicyAlways)
	}
	if after.ActiveDeadlineSeconds != nil {
		c.refuse("spec.activeDeadlineSeconds", "the pods are a Deployment's, and do not end by themselves")
	}
	if len(after.EphemeralContainers) > 0 {
		c.refuse("spec.ephemeralContainers", "they are for pods that run: `kubectl debug`")
	}
	grace := *before.TerminationGracePeriodSeconds
	if after.TerminationGracePeriodSeconds == nil || *after.TerminationGracePeriodSeconds < grace {
		c.refuse("spec.terminationGracePeriodSeconds", "allowed: at least the %d that the drain takes; set `drainSeconds` for a shorter one", grace)
	}
	if s := after.SecurityContext; s != nil {
		c.checkUser("spec.securityContext", s.RunAsUser, s.RunAsGroup)
	}
	for _, list := range []struct {
		path       string
		containers []corev1.Container
	}{{"spec.initContainers", after.InitContainers}, {"spec.containers", after.Containers}} {
		for i, container := range list.containers {
			path := fmt.Sprintf("%s[%d]", list.path, i)
			if slices.Contains(istioContainers, container.Name) {
				c.refuse(path+".name", "%s is Istio's own: set it up by `istioValues`, or by annotations of the pod", container.Name)
			}
			if s := container.SecurityContext; s != nil {
				c.checkUser(path+".securityContext", s.RunAsUser, s.RunAsGroup)
			}
		}
	}
}

func (c *checker) checkUser(path string, user, group *int64) {
	for field, id := range map[string]*int64{"runAsUser": user, "runAsGroup": group} {
		if id != nil && *id == proxyID {
			c.refuse(path+"."+field, "%d is Istio's proxy, whose traffic passes the sidecar by: take another", proxyID)
		}
	}
}

func (c *checker) checkApp(before, after corev1.Container) {
	path := fmt.Sprintf("spec.containers[%s]", App)
	if after.Image != before.Image {
		c.refuse(path+".image", "set `stableImage` and `canaryImage` instead")
	}
	served := before.Ports[0]
	if !slices.ContainsFunc(after.Ports, func(port corev1.ContainerPort) bool {
		return port.Name == served.Name && port.ContainerPort == served.ContainerPort
	}) {
		c.refuse(path+".ports", "the port %s with containerPort %d is where requests go, and has to stay: set `containerPort` instead", served.Name, served.ContainerPort)
	}
	if after.Lifecycle == nil || !equality.Semantic.DeepEqual(after.Lifecycle.PreStop, before.Lifecycle.PreStop) {
		c.refuse(path+".lifecycle.preStop", "the drain rests on it: set `drainSeconds` instead")
	}
	if after.ReadinessProbe == nil {
		c.refuse(path+".readinessProbe", "the guard rests on it: change how it asks, but leave it there")
	}
}
