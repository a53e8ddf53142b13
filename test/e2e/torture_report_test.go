//go:build e2e && faults

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/pins"
	"canary/test/machine"
)

func (x *torturing) write(t *testing.T) {
	t.Helper()
	if file := os.Getenv("TORTURE_REPORT"); file != "" {
		require.NoError(t, os.WriteFile(file, []byte(x.report()), 0o644))
	}
}

// report is the text of docs/torture.md.
func (x *torturing) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Torture

Written by `+"`make torture`"+` on %s.

Seed %d, %.0f minutes, %d faults, %d of them to their end: `+"`TORTURE_SEED=%d make torture`"+` draws the same ones in the same order.

Three agents, two pods of each subset, Istio's own retries; %d POST requests a second by each path, each given up after %.0f s.
After each fault `+"`make up`"+` has to succeed. Then every node and pod has to be ready, `+"`canary status`"+` to find nothing, the
output and the answers by both paths to fit what the configuration says, and no request to fail. At no time may the split be one
but the old, the new, or the one by hand. At the end `+"`pulumi destroy`"+` leaves nothing. What does not hold is a finding.

Machine: %s. Istio %s, %s.

| Fault | Times | Requests | Failed by ingress | Most in one, of those granted | Failed in the mesh | Most in one, of those granted | What may fail |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |
`, time.Now().UTC().Format("2006-01-02"), x.seed, time.Since(x.begin).Minutes(), x.steps, len(x.suffered), x.seed,
		tortureRate, tortureTimeout.Seconds(), machine.Facts(), pins.IstioVersion, pins.K3sImage)
	for _, f := range tortures {
		fmt.Fprintln(&b, x.row(f))
	}
	fmt.Fprintf(&b, "\n## Findings\n\n")
	if len(x.findings) == 0 {
		fmt.Fprintln(&b, "None.")
	}
	for i, finding := range x.findings {
		fmt.Fprintf(&b, "%d.\n\n", i+1)
		for line := range strings.Lines(strings.TrimSpace(finding) + "\n") {
			b.WriteString("        " + line)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// row is what the steps of a kind did to the requests.
func (x *torturing) row(f tortureFault) string {
	times, requests := 0, 0
	lost, worst := map[string]int{}, map[string]*suffered{}
	for _, s := range x.suffered {
		if s.kind != f.Name {
			continue
		}
		times++
		for _, path := range paths {
			requests += s.requests[path]
			lost[path] += s.lost[path]
			if worst[path] == nil || s.lost[path] > worst[path].lost[path] {
				worst[path] = s
			}
		}
	}
	row := fmt.Sprintf("| %s | %d | %d |", f.Name, times, requests)
	for _, path := range paths {
		most := ""
		if s := worst[path]; s != nil {
			most = fmt.Sprintf("%d of %d", s.lost[path], s.grants[path])
		}
		row += fmt.Sprintf(" %d | %s |", lost[path], most)
	}
	return row + " " + f.grants + " |"
}
