package kube

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Ready reports whether a pod is ready.
func Ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// Restarts is how often containers of a pod were restarted.
func Restarts(pod *corev1.Pod) int {
	n := 0
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		n += int(s.RestartCount)
	}
	return n
}

// TargetPort is the port of a pod behind a port of its Service; 0 when it has none.
func TargetPort(pod *corev1.Pod, port corev1.ServicePort) int {
	if port.TargetPort.Type != intstr.String {
		if number := port.TargetPort.IntValue(); number != 0 {
			return number
		}
		return int(port.Port) // the API's default
	}
	for i := range pod.Spec.Containers {
		for _, named := range pod.Spec.Containers[i].Ports {
			if named.Name == port.TargetPort.StrVal {
				return int(named.ContainerPort)
			}
		}
	}
	return 0
}
