package readiness

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"canary/internal/kube"
	"canary/internal/mesh"
	"canary/internal/release"
)

// NotReadyError says why a subset cannot become ready.
type NotReadyError struct {
	Subset        string
	Ready, Wanted int    // pods of the newest version
	Pod           string // "" when there is none to blame
	Container     string // "" when it is about the pod as a whole
	Reason        string // one word, Kubernetes' own where it has one
	Message       string // what the cluster says
	Advice        string // what to do
}

// Error is one line: subset, how many of how many, which pod, why, what to do.
func (e *NotReadyError) Error() string {
	return fmt.Sprintf("subset %s: %d of %d pods ready: ", e.Subset, e.Ready, e.Wanted) + e.why()
}

// why is which pod, why, what to do.
func (e *NotReadyError) why() string {
	var b strings.Builder
	if e.Pod != "" {
		fmt.Fprintf(&b, "pod %s: ", e.Pod)
	}
	if e.Container != "" {
		fmt.Fprintf(&b, "container %s: ", e.Container)
	}
	b.WriteString(e.Reason)
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Advice != "" {
		b.WriteString("; " + e.Advice)
	}
	return b.String()
}

// addLog adds what the container wrote last, which may tell what to do. Without it the message is still worth having.
func (e *NotReadyError) addLog(ctx context.Context, w workloads, pod *corev1.Pod) {
	log, err := w.log(ctx, pod, e.Container)
	if err != nil || lastLine(log) == "" {
		return
	}
	e.Message += fmt.Sprintf("; last log line: %q", lastLine(log))
	if strings.HasSuffix(lastLine(log), execFormat) {
		e.Advice = otherPlatform
	}
}

// notReady is what Error writes: the subset, and the container and the reason, where a container is to blame.
var notReady = regexp.MustCompile(`subset (\w+): \d+ of \d+ pods ready: (?:pod [^ :]+: (?:container ([^ :]+): (\w+))?)?.*`)

// CanaryFails finds in the text of an update's error that the canary's pods cannot become ready by what they run, and gives what
// Error said of them; "" is that they do, or that it does not tell: stable's are not ready either, no container of theirs is to
// blame but the cluster is, or the cause may pass by itself.
func CanaryFails(text string) string {
	return canaryOnly(text, func(container, reason, said string) bool {
		return container != "" && container != mesh.ProxyContainer && reason != reasonPulling && !mayPass(said)
	})
}

// CanaryLacks finds in the text of an update's error that pods of the canary are not ready, and gives what Error said of them; ""
// is that they are, or that stable's are not ready either.
func CanaryLacks(text string) string {
	return canaryOnly(text, func(_, _, _ string) bool { return true })
}

// canaryOnly gives what Error said of the canary, when every subset that is not ready is the canary, for a cause that counts.
func canaryOnly(text string, counts func(container, reason, said string) bool) string {
	said := ""
	for _, found := range notReady.FindAllStringSubmatch(text, -1) {
		if found[1] != release.Canary || !counts(found[2], found[3], found[0]) {
			return ""
		}
		said = found[0]
	}
	return said
}

// mayPass reports whether the message of a NotReadyError is of a pull that may well succeed later.
func mayPass(message string) bool {
	return slices.ContainsFunc(pullCauses, func(cause pullCause) bool {
		return cause.passing && strings.Contains(message, "; "+cause.advice)
	})
}

// lastLine is the last line of a log that says anything.
func lastLine(log string) string {
	lines := strings.Split(log, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if line := kube.OneLine(lines[i]); line != "" {
			return line
		}
	}
	return ""
}
