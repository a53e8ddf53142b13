package readiness

import (
	"fmt"
	"strings"

	"canary/internal/kube"
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
	var b strings.Builder
	fmt.Fprintf(&b, "subset %s: %d of %d pods ready: ", e.Subset, e.Ready, e.Wanted)
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
