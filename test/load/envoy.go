package load

import (
	"fmt"
	"regexp"
	"time"
)

// EnvoyLine is one line of a proxy's access log about a request that did not end well.
type EnvoyLine struct {
	Pod     string
	Began   time.Time
	Path    string
	Code    string
	Flags   string // Envoy's response flags; - is none
	Details string
	Text    string
}

// String is what a report says about it.
func (l EnvoyLine) String() string {
	return fmt.Sprintf("%s: %s, flags %s, %s", l.Pod, l.Code, l.Flags, l.Details)
}

// Istio's default text format: [time] "METHOD path protocol" code flags details …
var accessLine = regexp.MustCompile(`^\[([^\]]+)\] "(\S+) (\S+) [^"]*" (\d+) (\S+) (\S+) `)

// parseEnvoyLine reads a line of the access log; ok is false for others and for requests that ended well.
func parseEnvoyLine(pod, text string) (EnvoyLine, bool) {
	m := accessLine.FindStringSubmatch(text)
	if m == nil {
		return EnvoyLine{}, false
	}
	began, err := time.Parse(time.RFC3339Nano, m[1])
	if err != nil {
		return EnvoyLine{}, false
	}
	l := EnvoyLine{Pod: pod, Began: began, Path: m[3], Code: m[4], Flags: m[5], Details: m[6], Text: text}
	return l, l.Code[0] != '2' || l.Flags != "-"
}
