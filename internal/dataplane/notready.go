package dataplane

import (
	"fmt"
	"strings"
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

// maxMessage bounds what is quoted from the cluster or from a log, in runes.
const maxMessage = 400

// quote makes a message of the cluster or a line of a log fit into one line of
// an error: no line breaks, no control characters, not too long.
func quote(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r < ' ' || r == 0x7f:
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	text = strings.TrimSpace(text)
	if runes := []rune(text); len(runes) > maxMessage {
		text = string(runes[:maxMessage]) + "…"
	}
	return text
}

// lastLine is the last line of a log that says anything.
func lastLine(log string) string {
	lines := strings.Split(log, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if line := quote(lines[i]); line != "" {
			return line
		}
	}
	return ""
}
