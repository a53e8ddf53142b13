package relay

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// hopeless are the waiting reasons that time does not heal.
var hopeless = []string{
	"CreateContainerConfigError", "CreateContainerError", "ErrImageNeverPull", "ImageInspectError",
	"ImagePullBackOff", "InvalidImageName", "RunContainerError",
}

type state struct {
	ready  bool
	failed bool
	reason string // why it is not ready
}

func stateOf(pod *corev1.Pod) state {
	if pod.DeletionTimestamp != nil {
		return state{failed: true, reason: "it is being removed by someone else"}
	}
	if pod.Status.Phase == corev1.PodFailed {
		return state{failed: true, reason: join(pod.Status.Reason, pod.Status.Message, "it has failed")}
	}
	if conditionOf(pod, corev1.PodReady).Status == corev1.ConditionTrue {
		return state{ready: true}
	}
	if c := conditionOf(pod, corev1.PodScheduled); c.Status == corev1.ConditionFalse {
		return state{reason: join(c.Reason, c.Message, "not scheduled")}
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if reason, failed := troubleOf(status); reason != "" {
			return state{failed: failed, reason: "container " + status.Name + ": " + reason}
		}
	}
	return state{reason: "its containers start"}
}

// troubleOf is why a container is not ready; "" when it is, or has done its work.
func troubleOf(status corev1.ContainerStatus) (reason string, failed bool) {
	if waiting := status.State.Waiting; waiting != nil {
		reason, failed = join(waiting.Reason, waiting.Message, "waiting"), slices.Contains(hopeless, waiting.Reason)
		// After a crash the waiting text only says that it crashed.
		if last := status.LastTerminationState.Terminated; last != nil {
			reason += "; its last run ended with exit code " + exit(last)
		}
		return reason, failed
	}
	if ended := status.State.Terminated; ended != nil && ended.ExitCode != 0 {
		return "ended with exit code " + exit(ended), false
	}
	if status.State.Running != nil && !status.Ready {
		return "runs and is not ready", false
	}
	return "", false
}

func exit(ended *corev1.ContainerStateTerminated) string {
	return join(fmt.Sprint(ended.ExitCode), strings.TrimSpace(ended.Message), "")
}

func conditionOf(pod *corev1.Pod, kind corev1.PodConditionType) corev1.PodCondition {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == kind {
			return condition
		}
	}
	return corev1.PodCondition{}
}

func join(reason, message, otherwise string) string {
	switch {
	case reason == "" && message == "":
		return otherwise
	case reason == "" || message == "":
		return reason + message
	}
	return reason + ": " + message
}

// hasSidecar looks for Istio's sidecar, which is an init container where the
// cluster has native sidecars.
func hasSidecar(pod *corev1.Pod) bool {
	isProxy := func(c corev1.Container) bool { return c.Name == "istio-proxy" }
	return slices.ContainsFunc(pod.Spec.Containers, isProxy) || slices.ContainsFunc(pod.Spec.InitContainers, isProxy)
}

// removeLeftOvers removes relays whose program was killed: those that ended,
// and those that are older than they may become. Relays of other runs that are
// under way are neither.
func removeLeftOvers(ctx context.Context, c Cluster, namespace string) error {
	pods, err := c.Pods(ctx, namespace, managedByLabel+"="+managedBy)
	if err != nil {
		return fmt.Errorf("relay pods of earlier runs: %w", err)
	}
	for _, pod := range pods {
		if !leftOver(&pod, time.Now()) {
			continue
		}
		if err := c.DeletePod(ctx, namespace, pod.Name); err != nil {
			return fmt.Errorf("remove relay pod %s/%s of an earlier run: %w", namespace, pod.Name, err)
		}
	}
	return nil
}

func leftOver(pod *corev1.Pod, now time.Time) bool {
	if pod.DeletionTimestamp != nil {
		return false
	}
	if pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		return true
	}
	lifetime := MinLifetime
	if seconds := pod.Spec.ActiveDeadlineSeconds; seconds != nil {
		lifetime = time.Duration(*seconds) * time.Second
	}
	return now.Sub(pod.CreationTimestamp.Time) > lifetime
}
