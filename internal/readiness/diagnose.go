package readiness

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"canary/internal/kube"
	"canary/internal/mesh"
)

// How long a problem must last before it ends the wait. Problems that pass by
// themselves in a healthy cluster need patience, others need none.
const (
	never          = time.Duration(-1) // only the deadline for progress ends it
	shortPatience  = 10 * time.Second  // the scheduler, a Secret that is being made
	pullPatience   = 30 * time.Second  // a registry that does not answer well
	awayPatience   = 30 * time.Second  // an istiod that is being replaced
	probePatience  = time.Minute       // an app that does not answer, beyond its own initial delay
	crashesAllowed = 1                 // one crash may be a race at the start
)

// kind tells findings apart that mean different things for the wait.
type kind string

const (
	kindOther   kind = "other"
	kindPulling kind = "pulling" // an image is on its way
	kindPull    kind = "pull"
	kindConfig  kind = "config"
	kindCrash   kind = "crash"
	kindProbe   kind = "probe"
	kindPlace   kind = "place"
	kindCreate  kind = "create"
)

// reasonPulling is that of an event, and of a finding: an image is on its way.
const reasonPulling = "Pulling"

// finding is why a pod is not ready, as far as it can be told from one look.
type finding struct {
	kind      kind
	pod, uid  string
	container string // "" when it is about the pod as a whole
	reason    string // one word, Kubernetes' own where it has one
	message   string
	advice    string
	patience  time.Duration // how long it must last to end the wait
	start     time.Duration // how long the pod says that its start may take, while it starts
	wantsLog  bool          // the container's last log line says more
	injection bool          // what injects sidecars says what to do
}

// key is the same for the same problem in the next look.
func (f finding) key() string { return f.uid + "/" + f.container + "/" + string(f.kind) }

// ripe reports whether it has lasted too long to pass by itself.
func (f finding) ripe(since, now time.Time) bool {
	return f.patience != never && now.Sub(since) >= f.patience
}

// diagnose looks at one pod that is not ready, and at its events. It always
// finds something; how bad that is, patience says.
func diagnose(pod *corev1.Pod, events []corev1.Event) finding {
	events = slices.SortedFunc(slices.Values(events), func(a, b corev1.Event) int { return eventTime(a).Compare(eventTime(b)) })
	f, ok := uninjected(pod)
	if !ok {
		f, ok = unscheduled(pod, events)
	}
	if !ok {
		f, ok = unstarted(pod, events)
	}
	if !ok {
		f, ok = unhealthy(pod, events)
	}
	if !ok {
		f = pending(pod, events)
	}
	f.pod, f.uid = pod.Name, string(pod.UID)
	f.message = kube.OneLine(f.message)
	return f
}

// uninjected finds a pod that would be ready if Istio had given it a sidecar; it
// never gets one later.
func uninjected(pod *corev1.Pod) (finding, bool) {
	if !kube.Ready(pod) || hasSidecar(pod) {
		return finding{}, false
	}
	return finding{
		kind: kindConfig, reason: "NoSidecar",
		message: "it has no container " + mesh.ProxyContainer + ", so its traffic is neither split nor encrypted",
		advice:  fmt.Sprintf("check the labels of namespace %s and Istio's webhooks that inject sidecars", pod.Namespace), injection: true,
	}, true
}

func unscheduled(pod *corev1.Pod, events []corev1.Event) (finding, bool) {
	for _, condition := range pod.Status.Conditions {
		if condition.Type != corev1.PodScheduled || condition.Status != corev1.ConditionFalse || condition.Reason != corev1.PodReasonUnschedulable {
			continue
		}
		f := finding{
			kind: kindPlace, reason: condition.Reason, message: condition.Message, patience: shortPatience,
			advice: "no node can take the pod: free or add capacity, or ask for less",
		}
		if last(events, "TriggeredScaleUp", "Nominated") != nil {
			f.patience = never // an autoscaler is making room
		}
		return f, true
	}
	return finding{}, false
}

// unstarted finds a container that cannot start or does not stay up.
func unstarted(pod *corev1.Pod, events []corev1.Event) (finding, bool) {
	for _, status := range statuses(pod) {
		if status.Ready && status.State.Running != nil {
			continue
		}
		f, ok := waiting(status, events)
		if !ok {
			f, ok = crashed(status, events)
		}
		if ok {
			f.container = status.Name
			return f, true
		}
	}
	return finding{}, false
}

func waiting(status corev1.ContainerStatus, events []corev1.Event) (finding, bool) {
	state := status.State.Waiting
	if state == nil {
		return finding{}, false
	}
	f := finding{reason: state.Reason, message: state.Message}
	switch state.Reason {
	case "InvalidImageName", "ErrImageNeverPull":
		f.kind, f.patience = kindPull, 0
		f.advice = "correct the image's name"
	case "ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError", "SignatureValidationFailed":
		f.kind, f.patience = kindPull, pullPatience
		pulls := slices.DeleteFunc(about(events, status.Name), func(event corev1.Event) bool {
			return !strings.Contains(event.Message, "pull") // as "Error: ImagePullBackOff", without a cause
		})
		if event := last(pulls, "Failed"); event != nil {
			f.message = event.Message // the kubelet's status often says only "back-off"
		}
		cause := pullCauseOf(f.message)
		if state.Reason == "ImagePullBackOff" && !cause.passing {
			f.patience = 0
		}
		f.message, f.advice = shortPull(status.Image, f.message), cause.advice
	case "CreateContainerConfigError", "CreateContainerError", "PreCreateHookError", "PreStartHookError", "PostStartHookError":
		f.kind, f.patience = kindConfig, shortPatience
		f.advice = "the node cannot create the container as the pod asks for it"
	case "CrashLoopBackOff":
		return crash(status, events), true
	default:
		return finding{}, false
	}
	return f, true
}

// crashed finds a container that ended more than once and is between two runs,
// or running again without having become ready.
func crashed(status corev1.ContainerStatus, events []corev1.Event) (finding, bool) {
	if status.RestartCount <= crashesAllowed || status.LastTerminationState.Terminated == nil {
		return finding{}, false
	}
	f := crash(status, events)
	if status.State.Running != nil {
		f.patience = shortPatience // this run may be the one that works
	}
	return f, true
}

func crash(status corev1.ContainerStatus, events []corev1.Event) finding {
	f := finding{kind: kindCrash, reason: "CrashLoopBackOff", wantsLog: true}
	ended := cmp.Or(status.State.Terminated, status.LastTerminationState.Terminated)
	if ended == nil {
		f.message = "it ends again and again"
		return f
	}
	f.message = fmt.Sprintf("exited with code %d", ended.ExitCode)
	if ended.Signal != 0 {
		f.message = fmt.Sprintf("ended by signal %d", ended.Signal)
	}
	if ended.Reason != "" && ended.Reason != "Error" {
		f.message += " (" + ended.Reason + ")"
	}
	f.message += ", " + restarts(status.RestartCount)
	if ended.Message != "" {
		f.message += ": " + ended.Message
	}
	switch ended.Reason {
	case "OOMKilled":
		f.reason, f.advice = "OOMKilled", "the container needs more memory than its limit or its node allows"
	case "StartError", "ContainerCannotRun":
		f.wantsLog = false
		f.advice = "the image cannot be started: check its entrypoint and its platform"
		if strings.Contains(ended.Message, execFormat) {
			f.advice = otherPlatform
		}
	default:
		if probe := last(about(events, status.Name), "Unhealthy"); probe != nil && (ended.ExitCode == 137 || ended.ExitCode == 143) {
			f.message += "; before that: " + probe.Message
		}
	}
	return f
}

func restarts(n int32) string {
	if n == 1 {
		return "restarted once"
	}
	return fmt.Sprintf("restarted %d times", n)
}

// unhealthy finds a container that runs, but whose probe fails.
func unhealthy(pod *corev1.Pod, events []corev1.Event) (finding, bool) {
	for _, status := range statuses(pod) {
		if status.Ready || status.State.Running == nil {
			continue
		}
		event := last(about(events, status.Name), "Unhealthy")
		if event == nil {
			continue
		}
		f := finding{
			kind: kindProbe, container: status.Name, reason: "Unhealthy", message: event.Message, patience: probePatience,
			advice: "check `containerPort`, `readinessPath` and `readinessProtocol`",
		}
		if container := containerNamed(pod, status.Name); container != nil {
			f.patience += initialDelay(container.ReadinessProbe)
		}
		if status.Name == mesh.ProxyContainer {
			f.advice = "the sidecar has no configuration yet: check that istiod runs and can be reached"
			return f, true
		}
		if f.start = startTime(pod, status); f.start > 0 {
			f.patience = f.start
			f.advice += fmt.Sprintf(", or give the app more than its %v in `startSeconds`", f.start)
			if killed := last(about(events, status.Name), "Killing"); killed != nil && strings.Contains(killed.Message, "failed startup probe") {
				f.patience = 0 // the time is over: the node has begun anew
			}
		}
		return f, true
	}
	return finding{}, false
}

// startTime is how long the start of an app's container may take, which its startup
// probe says; 0 when it has none or has started.
func startTime(pod *corev1.Pod, status corev1.ContainerStatus) time.Duration {
	container := containerNamed(pod, status.Name)
	if container == nil || container.StartupProbe == nil || (status.Started != nil && *status.Started) {
		return 0
	}
	probe := container.StartupProbe
	return initialDelay(probe) + time.Duration(probe.PeriodSeconds*probe.FailureThreshold)*time.Second
}

func initialDelay(probe *corev1.Probe) time.Duration {
	if probe == nil {
		return 0
	}
	return time.Duration(probe.InitialDelaySeconds) * time.Second
}

// pending describes a pod that has no visible problem, or one that only an
// event tells about, such as a volume that cannot be mounted.
func pending(pod *corev1.Pod, events []corev1.Event) finding {
	f := finding{kind: kindOther, reason: "NotReady", message: "waits for its containers", patience: never}
	for _, status := range statuses(pod) {
		if state := status.State.Waiting; state != nil {
			f.container, f.reason, f.message = status.Name, cmp.Or(state.Reason, "Waiting"), state.Message
			break
		}
		if !status.Ready && status.State.Running != nil {
			f.container, f.message = status.Name, "runs, but is not ready"
			if status.Name != mesh.ProxyContainer {
				f.start = startTime(pod, status)
			}
			break
		}
	}
	if len(events) == 0 {
		return f
	}
	switch newest := events[len(events)-1]; {
	case newest.Reason == reasonPulling:
		f.kind, f.reason, f.message = kindPulling, reasonPulling, newest.Message
	case newest.Type == corev1.EventTypeWarning:
		f.reason, f.message = newest.Reason, newest.Message
		if newest.Reason == "FailedMount" && missingVolume.MatchString(newest.Message) {
			f.kind, f.patience = kindConfig, shortPatience
			f.advice = "make what the volume is to hold in the pod's namespace, or correct its name in `pod` or `canaryPod`"
		}
	}
	return f
}

// missingVolume is what the kubelet says of a ConfigMap or a Secret, or a key of one, that
// is not there. Other volumes may only be late.
var missingVolume = regexp.MustCompile(`(configmap|secret) "[^"]+" not found|references non-existent (config|secret) key`)
