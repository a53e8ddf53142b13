package readiness

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"canary/internal/kube"
	"canary/internal/mesh"
)

// statuses lists a pod's containers in the order in which they start.
func statuses(pod *corev1.Pod) []corev1.ContainerStatus {
	all := slices.Clone(pod.Status.InitContainerStatuses)
	all = slices.DeleteFunc(all, func(s corev1.ContainerStatus) bool {
		return s.State.Terminated != nil && s.State.Terminated.ExitCode == 0 // did its work
	})
	return append(all, pod.Status.ContainerStatuses...)
}

func containerNamed(pod *corev1.Pod, name string) *corev1.Container {
	for _, list := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// hasSidecar reports whether Istio gave the pod a proxy when it was created.
// Without one its calls are not split, and it takes plain text.
func hasSidecar(pod *corev1.Pod) bool { return containerNamed(pod, mesh.ProxyContainer) != nil }

// restartedLately compares with the node's clock, so it is only roughly so.
func restartedLately(pod *corev1.Pod, now time.Time) bool {
	return slices.ContainsFunc(statuses(pod), func(s corev1.ContainerStatus) bool {
		ended := s.LastTerminationState.Terminated
		return ended != nil && now.Sub(ended.FinishedAt.Time).Abs() < restartCounts
	})
}

// over reports whether a pod does not count any more: it is ending, or ended
// (an eviction leaves such pods behind; others take their place).
func over(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
}

// stage is how far a pod has come, 0 to 3: made, placed, started, ready.
func stage(pod *corev1.Pod) int {
	if kube.Ready(pod) {
		return 3
	}
	started := len(pod.Status.ContainerStatuses) > 0 && !slices.ContainsFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
		return s.State.Running == nil
	})
	switch {
	case started:
		return 2
	case pod.Spec.NodeName != "":
		return 1
	}
	return 0
}

// last gives the newest event with one of the reasons; events are in order.
func last(events []corev1.Event, reasons ...string) *corev1.Event {
	for i := len(events) - 1; i >= 0; i-- {
		if slices.Contains(reasons, events[i].Reason) {
			return &events[i]
		}
	}
	return nil
}

// about keeps the events of one container, and those that name none.
func about(events []corev1.Event, container string) []corev1.Event {
	return slices.DeleteFunc(slices.Clone(events), func(event corev1.Event) bool {
		path := event.InvolvedObject.FieldPath
		return path != "" && !strings.HasSuffix(path, "{"+container+"}")
	})
}

func eventTime(event corev1.Event) time.Time {
	newest := event.LastTimestamp.Time
	if event.EventTime.After(newest) {
		newest = event.EventTime.Time
	}
	if event.Series != nil && event.Series.LastObservedTime.After(newest) {
		newest = event.Series.LastObservedTime.Time
	}
	if newest.IsZero() {
		newest = event.CreationTimestamp.Time
	}
	return newest
}
