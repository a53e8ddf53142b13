package load

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Table writes the steps as a Markdown table.
func Table(counts []StepCount) string {
	var b strings.Builder
	b.WriteString("| Step | Seconds | Ingress requests | Mesh requests | Of these long | Failed | p50 | p99 | Slowest |\n")
	b.WriteString("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	var ingress, mesh, long, failed int
	var seconds float64
	for _, c := range counts {
		took := c.Took.Seconds()
		name := c.Name
		if c.Times > 1 {
			name += fmt.Sprintf(" (%d times)", c.Times)
		}
		fmt.Fprintf(&b, "| %s | %.1f | %d | %d | %d | %d | %s | %s | %s |\n", name, took, c.Requests[Ingress], c.Requests[Mesh],
			c.Long, c.Failed, milliseconds(c.P50), milliseconds(c.P99), milliseconds(c.Max))
		seconds += took
		ingress, mesh, long, failed = ingress+c.Requests[Ingress], mesh+c.Requests[Mesh], long+c.Long, failed+c.Failed
	}
	fmt.Fprintf(&b, "| **All** | %.1f | %d | %d | %d | **%d** | | | |\n", seconds, ingress, mesh, long, failed)
	return b.String()
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1e3)
}

// Describe lists lost requests, at most limit of them one by one, after their number by step, source and class.
func Describe(lost []Lost, limit int) string {
	if len(lost) == 0 {
		return "no request was lost\n"
	}
	var b strings.Builder
	classes := map[string]int{}
	for _, l := range lost {
		flags := "not in the log of any proxy"
		if len(l.Envoy) > 0 {
			flags = "flags " + l.Envoy[0].Flags
		}
		classes[fmt.Sprintf("%s, %s, %s request: %s, %s", l.Step, l.Source, l.Kind(), l.Failure, flags)]++
	}
	names := make([]string, 0, len(classes))
	for name := range classes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%6d × %s\n", classes[name], name)
	}
	for i, l := range lost {
		if i == limit {
			fmt.Fprintf(&b, "and %d more\n", len(lost)-limit)
			break
		}
		fmt.Fprintf(&b, "%s after %.3f s, step %q, from %s, %s%s: %s %s\n", l.Began().UTC().Format("15:04:05.000"),
			float64(l.Latency)/1e6, l.Step, l.Source, l.Kind(), withPath(l.Path), l.Failure, l.Error)
		for _, line := range l.Envoy {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	return b.String()
}

func withPath(path string) string {
	if path == "" {
		return ""
	}
	return " " + path
}
