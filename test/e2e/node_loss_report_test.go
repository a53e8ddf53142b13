//go:build e2e && faults

package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"canary/internal/pins"
	"canary/internal/traffic"
	"canary/test/e2e/harness"
	"canary/test/load"
	"canary/test/machine"
)

// loss is what became of the requests while a node was away.
type loss struct {
	pods        int // of each subset
	outliers    bool
	node, holds string
	fault       string
	requests    map[string]int // by path
	lost        map[string][]load.Lost
	gone        time.Time // when the node was away: a node that is stopped answers while it ends
}

// sentWithout is how many requests were lost of those that were sent when the node was away.
func (l *loss) sentWithout(path string) int {
	n := 0
	for _, lost := range l.lost[path] {
		if lost.Began().After(l.gone) {
			n++
		}
	}
	return n
}

// notFound is how many requests gateways answered with 404, as one without routes does. What the client saw does not say it:
// where the packets to a lost node leave the machine, somebody else may answer them.
func (l *loss) notFound() int {
	n := 0
	for _, lost := range l.lost[load.Ingress] {
		if slices.ContainsFunc(lost.Envoy, func(line load.EnvoyLine) bool { return line.Code == "404" && strings.Contains(line.Pod, "gateway") }) {
			n++
		}
	}
	return n
}

// String is a row of the table.
func (l *loss) String() string {
	row := fmt.Sprintf("| %d | %t | %s: %s | %s |", l.pods, l.outliers, l.node, l.holds, l.fault)
	for _, path := range paths {
		row += fmt.Sprintf(" %d of %d | %s |", len(l.lost[path]), l.requests[path], classes(l.lost[path]))
	}
	return row + fmt.Sprintf(" %d |", l.notFound())
}

// classes says what a client saw, and of Envoy's flags those of the first proxy on the way.
func classes(lost []load.Lost) string {
	byClass := map[string]int{}
	for _, l := range lost {
		class := l.Failure
		if len(l.Envoy) > 0 {
			class += " (" + l.Envoy[0].Flags + ")"
		}
		byClass[class]++
	}
	return counts(byClass)
}

func counts(of map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%d × %s", of[name], name))
	}
	return strings.Join(parts, ", ")
}

// faultsReport is the text of docs/faults.md.
func faultsReport(t *testing.T, losses []*loss, drained *traffic.Tally) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `# Faults

Written by `+"`make faults`"+` on %s.

100 POST requests a second by each path for 25 s, each given up after 5 s, to the test server at weight 50, with Istio's own
retries: from outside through the k3d load balancer and the ingress gateway, and from a pod with a sidecar on another agent. One of
three agents, the server, or the load balancer is paused for 12 s (`+"`docker pause`"+`), stopped for 8 s (`+"`docker stop`"+`), or cut
off for 12 s (no packet gets in). Failed is every status of 400 or above, every transport error and every
timeout.

Machine: %s. Istio %s, %s.

| Pods of each subset | outlierDetection | Node and what it held | It was | Failed from outside | As the client saw it (and the flags of the gateway's log) | Failed in the mesh | As the client saw it (and the flags of its sidecar) | 404 of a gateway |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
`, time.Now().UTC().Format("2006-01-02"), machine.Facts(), pins.IstioVersion, pins.K3sImage)
	for _, l := range losses {
		fmt.Fprintln(&b, l)
	}
	fmt.Fprintf(&b, "\nEach agent drained in turn, %v requests a second, two pods of each subset: %d of %d failed.\n", harness.LoadRate(t), drained.Failed(), drained.Requests())
	return b.String()
}
