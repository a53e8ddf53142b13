package readiness

import (
	"slices"
	"strings"
	"time"

	"canary/internal/kube"
	"canary/internal/mesh"
)

// statuses lists a pod's containers in the order in which they start.
func statuses(pod *kube.Pod) []kube.ContainerStatus {
	all := slices.Clone(pod.Status.InitContainerStatuses)
	all = slices.DeleteFunc(all, func(s kube.ContainerStatus) bool {
		return s.State.Terminated != nil && s.State.Terminated.ExitCode == 0 // did its work
	})
	return append(all, pod.Status.ContainerStatuses...)
}

func containerNamed(pod *kube.Pod, name string) *kube.Container {
	for _, list := range [][]kube.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
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
func hasSidecar(pod *kube.Pod) bool { return containerNamed(pod, mesh.ProxyContainer) != nil }

// restartedLately compares with the node's clock, so it is only roughly so.
func restartedLately(pod *kube.Pod, now time.Time) bool {
	return slices.ContainsFunc(statuses(pod), func(s kube.ContainerStatus) bool {
		ended := s.LastTerminationState.Terminated
		return ended != nil && now.Sub(ended.FinishedAt.Time).Abs() < restartCounts
	})
}

// over reports whether a pod does not count any more: it is ending, or ended
// (an eviction leaves such pods behind; others take their place).
func over(pod *kube.Pod) bool {
	return pod.DeletionTimestamp != nil || pod.Status.Phase == kube.PodFailed || pod.Status.Phase == kube.PodSucceeded
}

// stage is how far a pod has come, 0 to 3: made, placed, started, ready.
func stage(pod *kube.Pod) int {
	if pod.Ready() {
		return 3
	}
	started := len(pod.Status.ContainerStatuses) > 0 && !slices.ContainsFunc(pod.Status.ContainerStatuses, func(s kube.ContainerStatus) bool {
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
func last(events []kube.Event, reasons ...string) *kube.Event {
	for i := len(events) - 1; i >= 0; i-- {
		if slices.Contains(reasons, events[i].Reason) {
			return &events[i]
		}
	}
	return nil
}

// about keeps the events of one container, and those that name none.
func about(events []kube.Event, container string) []kube.Event {
	return slices.DeleteFunc(slices.Clone(events), func(event kube.Event) bool {
		path := event.InvolvedObject.FieldPath
		return path != "" && !strings.HasSuffix(path, "{"+container+"}")
	})
}

func eventTime(event kube.Event) time.Time {
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
