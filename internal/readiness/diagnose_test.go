package readiness

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canary/internal/mesh"
)

// podWith is a placed pod with one container, app, in the given state.
func podWith(status corev1.ContainerStatus) *corev1.Pod {
	status.Name = "app"
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns", UID: "uid"},
		Spec:       corev1.PodSpec{NodeName: "n", Containers: []corev1.Container{{Name: "app"}, {Name: mesh.ProxyContainer}}},
		Status:     corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{status}},
	}
}

func waitingFor(reason, message string) corev1.ContainerStatus {
	return corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}
}

func running() corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
}

func ended(code int32, reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message}}
}

// slowStarter is a pod whose app may take five minutes to start.
func slowStarter(started bool) *corev1.Pod {
	pod := podWith(corev1.ContainerStatus{State: running(), Started: &started})
	pod.Spec.Containers[0].StartupProbe = &corev1.Probe{InitialDelaySeconds: 60, PeriodSeconds: 2, FailureThreshold: 120}
	return pod
}

// event is about the app container unless the reason is the pod's own; second
// orders events in time.
func event(kind, reason, message string, second int) corev1.Event {
	e := corev1.Event{Type: kind, Reason: reason, Message: message, LastTimestamp: metav1.Unix(int64(second), 0)}
	e.InvolvedObject.FieldPath = "spec.containers{app}"
	return e
}

func TestDiagnose(t *testing.T) {
	t.Parallel()
	const warning, normal = corev1.EventTypeWarning, corev1.EventTypeNormal
	notFound := `Failed to pull image "nginx:none": rpc error: code = NotFound desc = not found`
	for name, tc := range map[string]struct {
		pod    *corev1.Pod
		events []corev1.Event
		want   finding // without pod, uid and advice
	}{
		"first failed pull": {
			podWith(waitingFor("ErrImagePull", "not found")), nil,
			finding{kind: kindPull, container: "app", reason: "ErrImagePull", message: "not found", patience: pullPatience},
		},
		"image does not exist": {
			podWith(waitingFor("ImagePullBackOff", `Back-off pulling image "nginx:none"`)),
			[]corev1.Event{event(warning, "Failed", "Error: ImagePullBackOff", 1), event(warning, "Failed", notFound, 2)},
			finding{kind: kindPull, container: "app", reason: "ImagePullBackOff", message: notFound, patience: 0},
		},
		"the cause is in the last event but one": {
			podWith(waitingFor("ImagePullBackOff", `Back-off pulling image "nginx:none"`)),
			[]corev1.Event{event(warning, "Failed", `Failed to pull image "nginx:none": i/o timeout`, 1), event(warning, "Failed", notFound, 2), event(warning, "Failed", "Error: ImagePullBackOff", 3)},
			finding{kind: kindPull, container: "app", reason: "ImagePullBackOff", message: notFound, patience: 0},
		},
		"registry does not answer": {
			podWith(waitingFor("ImagePullBackOff", "dial tcp 10.0.0.1:443: i/o timeout")), nil,
			finding{kind: kindPull, container: "app", reason: "ImagePullBackOff", message: "dial tcp 10.0.0.1:443: i/o timeout", patience: pullPatience},
		},
		"invalid image name": {
			podWith(waitingFor("InvalidImageName", "couldn't parse image name")), nil,
			finding{kind: kindPull, container: "app", reason: "InvalidImageName", message: "couldn't parse image name"},
		},
		"missing secret": {
			podWith(waitingFor("CreateContainerConfigError", `secret "x" not found`)), nil,
			finding{kind: kindConfig, container: "app", reason: "CreateContainerConfigError", message: `secret "x" not found`, patience: shortPatience},
		},
		"missing volume": {
			podWith(waitingFor("ContainerCreating", "")),
			[]corev1.Event{event(normal, "Scheduled", "assigned", 1), event(warning, "FailedMount", `MountVolume.SetUp failed for volume "v" : configmap "x" not found`, 2)},
			finding{kind: kindConfig, container: "app", reason: "FailedMount", message: `MountVolume.SetUp failed for volume "v" : configmap "x" not found`, patience: shortPatience},
		},
		"missing key of a volume": {
			podWith(waitingFor("ContainerCreating", "")),
			[]corev1.Event{event(warning, "FailedMount", `MountVolume.SetUp failed for volume "v" : references non-existent secret key: k`, 2)},
			finding{kind: kindConfig, container: "app", reason: "FailedMount", message: `MountVolume.SetUp failed for volume "v" : references non-existent secret key: k`, patience: shortPatience},
		},
		"late volume": {
			podWith(waitingFor("ContainerCreating", "")),
			[]corev1.Event{event(warning, "FailedMount", `MountVolume.SetUp failed for volume "v" : rpc error: driver is not registered yet`, 2)},
			finding{kind: kindOther, container: "app", reason: "FailedMount", message: `MountVolume.SetUp failed for volume "v" : rpc error: driver is not registered yet`, patience: never},
		},
		"crash loop": {
			podWith(corev1.ContainerStatus{RestartCount: 1, State: waitingFor("CrashLoopBackOff", "back-off 10s").State, LastTerminationState: ended(3, "Error", "")}), nil,
			finding{kind: kindCrash, container: "app", reason: "CrashLoopBackOff", message: "exited with code 3, restarted once", wantsLog: true},
		},
		"crash loop of an init container": {
			func() *corev1.Pod {
				pod := podWith(waitingFor("PodInitializing", ""))
				pod.Status.InitContainerStatuses = []corev1.ContainerStatus{
					{Name: "done", State: ended(0, "Completed", "")},
					{Name: "migrate", RestartCount: 4, State: waitingFor("CrashLoopBackOff", "").State, LastTerminationState: ended(1, "Error", "no database")},
				}
				return pod
			}(), nil,
			finding{kind: kindCrash, container: "migrate", reason: "CrashLoopBackOff", message: "exited with code 1, restarted 4 times: no database", wantsLog: true},
		},
		"no memory": {
			podWith(corev1.ContainerStatus{RestartCount: 2, State: ended(137, "OOMKilled", ""), LastTerminationState: ended(137, "OOMKilled", "")}), nil,
			finding{kind: kindCrash, container: "app", reason: "OOMKilled", message: "exited with code 137 (OOMKilled), restarted 2 times", wantsLog: true},
		},
		"no such program": {
			podWith(corev1.ContainerStatus{RestartCount: 1, State: waitingFor("CrashLoopBackOff", "").State, LastTerminationState: ended(128, "StartError", `exec: "serve": not found`)}), nil,
			finding{kind: kindCrash, container: "app", reason: "CrashLoopBackOff", message: `exited with code 128 (StartError), restarted once: exec: "serve": not found`},
		},
		"killed by its liveness probe": {
			podWith(corev1.ContainerStatus{RestartCount: 2, State: waitingFor("CrashLoopBackOff", "").State, LastTerminationState: ended(137, "Error", "")}),
			[]corev1.Event{event(warning, "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500", 1)},
			finding{kind: kindCrash, container: "app", reason: "CrashLoopBackOff", wantsLog: true, message: "exited with code 137, restarted 2 times; before that: Liveness probe failed: HTTP probe failed with statuscode: 500"},
		},
		"runs again after two crashes": {
			podWith(corev1.ContainerStatus{RestartCount: 2, State: running(), LastTerminationState: ended(1, "Error", "")}), nil,
			finding{kind: kindCrash, container: "app", reason: "CrashLoopBackOff", message: "exited with code 1, restarted 2 times", patience: shortPatience, wantsLog: true},
		},
		"runs again after one crash": {
			podWith(corev1.ContainerStatus{RestartCount: 1, State: running(), LastTerminationState: ended(1, "Error", "")}), nil,
			finding{kind: kindOther, container: "app", reason: "NotReady", message: "runs, but is not ready", patience: never},
		},
		"bad probe": {
			podWith(corev1.ContainerStatus{State: running()}),
			[]corev1.Event{
				event(warning, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404", 9),
				event(warning, "Unhealthy", "Readiness probe failed: connection refused", 1),
			},
			finding{kind: kindProbe, container: "app", reason: "Unhealthy", message: "Readiness probe failed: HTTP probe failed with statuscode: 404", patience: probePatience},
		},
		"bad probe with an initial delay": {
			func() *corev1.Pod {
				pod := podWith(corev1.ContainerStatus{State: running()})
				pod.Spec.Containers[0].ReadinessProbe = &corev1.Probe{InitialDelaySeconds: 30}
				return pod
			}(),
			[]corev1.Event{event(warning, "Unhealthy", "Readiness probe failed", 1)},
			finding{kind: kindProbe, container: "app", reason: "Unhealthy", message: "Readiness probe failed", patience: probePatience + 30*time.Second},
		},
		"starts": {
			slowStarter(false), []corev1.Event{event(warning, "Unhealthy", "Startup probe failed", 1)},
			finding{kind: kindProbe, container: "app", reason: "Unhealthy", message: "Startup probe failed", patience: 5 * time.Minute, start: 5 * time.Minute},
		},
		"starts, without a word": {
			slowStarter(false), nil,
			finding{kind: kindOther, container: "app", reason: "NotReady", message: "runs, but is not ready", patience: never, start: 5 * time.Minute},
		},
		"was not started in time": {
			slowStarter(false),
			[]corev1.Event{
				event(warning, "Unhealthy", "Startup probe failed", 1),
				event(normal, "Killing", "Container app failed startup probe, will be restarted", 2),
			},
			finding{kind: kindProbe, container: "app", reason: "Unhealthy", message: "Startup probe failed", start: 5 * time.Minute},
		},
		"was ready before": {
			slowStarter(true), []corev1.Event{event(warning, "Unhealthy", "Readiness probe failed", 1)},
			finding{kind: kindProbe, container: "app", reason: "Unhealthy", message: "Readiness probe failed", patience: probePatience},
		},
		"probe of another container": {
			func() *corev1.Pod {
				pod := podWith(corev1.ContainerStatus{State: running(), Ready: true})
				pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: mesh.ProxyContainer, State: running()})
				return pod
			}(),
			[]corev1.Event{event(warning, "Unhealthy", "Readiness probe failed", 1)},
			finding{kind: kindOther, container: mesh.ProxyContainer, reason: "Unhealthy", message: "Readiness probe failed", patience: never},
		},
		"sidecar without configuration": {
			func() *corev1.Pod {
				pod := podWith(corev1.ContainerStatus{State: running(), Ready: true})
				pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: mesh.ProxyContainer, State: running()}}
				return pod
			}(),
			[]corev1.Event{{Type: warning, Reason: "Unhealthy", Message: "Startup probe failed: statuscode: 503"}},
			finding{kind: kindProbe, container: mesh.ProxyContainer, reason: "Unhealthy", message: "Startup probe failed: statuscode: 503", patience: probePatience},
		},
		"no room": {
			unplaced("0/4 nodes are available: 4 Insufficient memory."), nil,
			finding{kind: kindPlace, reason: "Unschedulable", message: "0/4 nodes are available: 4 Insufficient memory.", patience: shortPatience},
		},
		"room is being made": {
			unplaced("0/4 nodes are available"), []corev1.Event{event(normal, "TriggeredScaleUp", "pod triggered scale-up", 1)},
			finding{kind: kindPlace, reason: "Unschedulable", message: "0/4 nodes are available", patience: never},
		},
		"pulling": {
			podWith(waitingFor("ContainerCreating", "")), []corev1.Event{event(normal, "Scheduled", "", 1), event(normal, "Pulling", `Pulling image "nginx"`, 2)},
			finding{kind: kindPulling, container: "app", reason: "Pulling", message: `Pulling image "nginx"`, patience: never},
		},
		"volume cannot be mounted": {
			podWith(waitingFor("ContainerCreating", "")), []corev1.Event{event(warning, "FailedMount", "secret \"x\"\nnot found", 2), event(normal, "Scheduled", "", 1)},
			finding{kind: kindOther, container: "app", reason: "FailedMount", message: `secret "x" not found`, patience: never},
		},
		"just made": {
			&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", UID: "uid"}}, nil,
			finding{kind: kindOther, reason: "NotReady", message: "waits for its containers", patience: never},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := diagnose(tc.pod, tc.events)
			if got.patience != never && !got.wantsLog {
				require.NotEmpty(t, got.advice, "what ends the wait says what to do")
			}
			got.advice = ""
			tc.want.pod, tc.want.uid = "p", "uid"
			require.Equal(t, tc.want, got)
		})
	}
}

func unplaced(message string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", UID: "uid"},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message,
		}}},
	}
}

func TestAdviceForOtherPlatform(t *testing.T) {
	t.Parallel()
	pod := podWith(corev1.ContainerStatus{RestartCount: 1, State: waitingFor("CrashLoopBackOff", "").State, LastTerminationState: ended(128, "StartError", "exec /app: exec format error")})
	require.Equal(t, otherPlatform, diagnose(pod, nil).advice)
}

func TestLastLine(t *testing.T) {
	t.Parallel()
	require.Equal(t, "panic: no config", lastLine("start\npanic: no config\n\n \n"))
	require.Empty(t, lastLine("\n\n"))
}
