package kube

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
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
