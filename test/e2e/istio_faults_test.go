//go:build e2e && faults

package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canary/internal/certtest"
	"canary/internal/pins"
	"canary/test/e2e/harness"
	"canary/test/load"
	"canary/test/machine"
)

// istioStep is something that happens to Istio while the app is under load, and gives what a user sees of it.
type istioStep struct {
	name string
	run  func(t *testing.T, r *harness.LoadRun) string
}

// TestIstioFaults takes istiod and its webhook away, slows istiod down and upgrades it in both ways, while weights change and
// pods roll under load, with retries off. No request may be lost. It writes the table to the file ISTIO_REPORT, if it is set.
func TestIstioFaults(t *testing.T) {
	images := harness.LoadImages(t, "a", "b")
	p := harness.NewLoadStack(t, images)
	p.WithoutRetries(t)
	p.Up(t)
	next := nextIstio(t, p)
	r := p.StartLoad(t, images["a"], load.Target{Rate: 50})
	said := map[string]string{}
	for _, step := range append(istioTrouble(), upgrades(next)...) {
		r.Step(step.name)
		said[step.name] = step.run(t, r)
		t.Logf("%s: %s", step.name, said[step.name])
		r.Step(between, func() { harness.Drained(t, r.Client, harness.AppName, harness.MeshNamespace) })
	}
	r.Finish(20 * time.Second)

	lost := r.Journal.Lost()
	t.Log(load.Describe(lost, 50))
	report := istioReport(r.Journal.Count(), said)
	t.Log("\n" + report)
	if file := os.Getenv("ISTIO_REPORT"); file != "" {
		require.NoError(t, os.WriteFile(file, []byte(report), 0o644))
	}
	require.Empty(t, lost, "lost requests; they are listed above")
}

// between is what comes after each step: what was replaced ends.
const between = "between them"

// istioTrouble is what others do to the Istio of the stack.
func istioTrouble() []istioStep {
	return []istioStep{
		{"istiod's pod is deleted, and the weight changes to 50", func(t *testing.T, r *harness.LoadRun) string {
			pods := harness.Objects(r.Client, harness.PodResource, harness.MeshNamespace)
			require.NoError(t, pods.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "app=istiod"}))
			r.Set(t, "canaryWeight", "50")
			return untilUp(t, r, 50)
		}},
		{"istiod is scaled to 0, the weight is to change to 10, and istiod comes back", func(t *testing.T, r *harness.LoadRun) string {
			return withoutIstiod(t, r, func() { r.Set(t, "canaryWeight", "10") })
		}},
		{"istiod is scaled to 0, the canary's pods are to roll, and istiod comes back", func(t *testing.T, r *harness.LoadRun) string {
			return withoutIstiod(t, r, func() { roll(t, r, "without istiod") })
		}},
		{"istiod hangs (SIGSTOP) for 20 s while the weight changes to 50", func(t *testing.T, r *harness.LoadRun) string {
			signalIstiod(t, r, "STOP")
			var continued sync.WaitGroup
			continued.Go(func() { time.Sleep(20 * time.Second); signalIstiod(t, r, "CONT") })
			defer continued.Wait()
			r.Set(t, "canaryWeight", "50")
			return untilUp(t, r, 50)
		}},
		{"istiod runs for a tenth of the time while the canary's pods roll and the weight changes to 10", func(t *testing.T, r *harness.LoadRun) string {
			defer slowIstiod(t, r)()
			roll(t, r, "slow istiod")
			r.Set(t, "canaryWeight", "10")
			return untilUp(t, r, 10)
		}},
		{"the webhook's caBundle becomes another authority's, and the canary's pods roll", func(t *testing.T, r *harness.LoadRun) string {
			distrustIstiod(t, r)
			roll(t, r, "distrusted istiod")
			return untilUp(t, r, 10)
		}},
	}
}

// upgrades are the ways to another version; the order of their steps is that of docs/operations.md.
func upgrades(next *nextCharts) []istioStep {
	gateways := func(command string, revision ...string) func(t *testing.T, r *harness.LoadRun) string {
		return func(t *testing.T, r *harness.LoadRun) string {
			for _, gateway := range []string{"ingressgateway", "egressgateway"} {
				r.Pulumi(t, append([]string{"config", command, "--path", "istioValues." + gateway + ".revision"}, revision...)...)
			}
			return untilUp(t, r, 10)
		}
	}
	second := &secondIstiod{}
	return []istioStep{
		{"by revision: a second istiod beside the first", func(t *testing.T, r *harness.LoadRun) string { return second.install(t, r, next) }},
		{"by revision: the app moves to the second", func(t *testing.T, r *harness.LoadRun) string {
			r.Set(t, "istioRevision", secondRevision)
			return untilUp(t, r, 10)
		}},
		{"by revision: the gateways move to the second", gateways("set", secondRevision)},
		{"in place: the charts of the next version", func(t *testing.T, r *harness.LoadRun) string {
			r.SetAll(t, "istioChartRepository="+next.url, "istioVersion="+next.version, "istioTag="+pins.IstioVersion)
			return untilUp(t, r, 10)
		}},
		{"by revision: the gateways move back to the first", gateways("rm")},
		{"by revision: the app moves back", func(t *testing.T, r *harness.LoadRun) string {
			r.Set(t, "istioRevision", "")
			return untilUp(t, r, 10)
		}},
		{"by revision: the second istiod goes", func(t *testing.T, r *harness.LoadRun) string { return second.remove(t) }},
		{"in place: back to the charts of the version before", func(t *testing.T, r *harness.LoadRun) string {
			for _, key := range []string{"istioChartRepository", "istioVersion", "istioTag"} {
				r.Pulumi(t, "config", "rm", key)
			}
			if before := next.before; before != "" {
				r.Set(t, "istioChartRepository", before)
			}
			return untilUp(t, r, 10)
		}},
	}
}

// untilUp types `pulumi up` until it succeeds and proxies split as it says, and gives what was said on the way.
func untilUp(t *testing.T, r *harness.LoadRun, canary int) string {
	t.Helper()
	var said []string
	for {
		o := r.Attempt(t, harness.UpArgs...)
		if o.Code == 0 {
			r.Example(t).RequireSplit(t, canary)
			return strings.Join(append(said, fmt.Sprintf("`up` succeeds after %.1f s", o.Took.Seconds())), "; ")
		}
		said = append(said, fmt.Sprintf("`up` fails after %.1f s: %s", o.Took.Seconds(), reason(o.All)))
		require.Less(t, len(said), 4, "%s", o.All)
	}
}

// reason is the line that says why an update failed.
func reason(out string) string {
	for _, mark := range []string{"the split ", "do not serve it", "error:"} {
		if strings.Contains(out, mark) {
			return harness.LineWith(out, mark)
		}
	}
	return harness.LastLines(out, 5)
}

// roll sets what makes the next update replace the canary's pods.
func roll(t *testing.T, r *harness.LoadRun, mark string) {
	t.Helper()
	r.Pulumi(t, "config", "set", "--path", "canaryPod.metadata.annotations.e2e", mark)
}

// withoutIstiod tries a change while there is no istiod: it's refused, and goes through when istiod is back.
func withoutIstiod(t *testing.T, r *harness.LoadRun, change func()) string {
	t.Helper()
	scaleIstiod(t, r.Client, 0)
	harness.Drained(t, r.Client, harness.MeshNamespace)
	change()
	o := r.Attempt(t, harness.UpArgs...)
	require.NotZero(t, o.Code, o.All)
	scaleIstiod(t, r.Client, 1)
	return fmt.Sprintf("without istiod `up` fails after %.1f s: %s; with it %s", o.Took.Seconds(), reason(o.All), untilUp(t, r, 10))
}

// signalIstiod sends a signal to the process of istiod, on its node.
func signalIstiod(t *testing.T, r *harness.LoadRun, signal string) {
	t.Helper()
	pods, err := r.Client.Pods(t.Context(), harness.MeshNamespace, "app=istiod")
	require.NoError(t, err)
	for _, pod := range pods {
		r.Docker(t, "exec", pod.Spec.NodeName, "sh", "-c",
			`for p in /proc/[0-9]*; do if [ "$(cat $p/comm 2>/dev/null)" = pilot-discovery ]; then kill -`+signal+` "${p#/proc/}"; fi; done`)
	}
}

// slowIstiod lets istiod run for a tenth of the time until it is stopped.
func slowIstiod(t *testing.T, r *harness.LoadRun) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var slowing sync.WaitGroup
	slowing.Go(func() {
		for ctx.Err() == nil {
			signalIstiod(t, r, "STOP")
			time.Sleep(1800 * time.Millisecond)
			signalIstiod(t, r, "CONT")
			time.Sleep(200 * time.Millisecond)
		}
	})
	return func() { cancel(); slowing.Wait() }
}

// distrustIstiod makes the API server trust another authority than istiod's for the webhook that injects sidecars.
func distrustIstiod(t *testing.T, r *harness.LoadRun) {
	t.Helper()
	other, _ := certtest.Pair(t, time.Now().Add(time.Hour), "somebody.else")
	bundle := base64.StdEncoding.EncodeToString([]byte(other))
	changeInjector(t, r.Client, func(clientConfig map[string]any) { clientConfig["caBundle"] = bundle })
}

// istioReport is the text of docs/istio-faults.md.
func istioReport(steps []load.StepCount, said map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Istio in trouble, and its upgrade

Written by `+"`make faults`"+` on %s.

50 POST requests a second through the ingress gateway and 50 from a pod with a sidecar, retries off; one pod of each subset. Seconds
are from the fault to a split that is verified by 500 requests of each way. The next version are the charts of this one under
another number, with its images: what is proven is the way, and not that two versions understand each other.

Machine: %s. Istio %s, %s.

| What happens | Seconds | Requests | Lost | What is seen |
| --- | ---: | ---: | ---: | --- |
`, time.Now().UTC().Format("2006-01-02"), machine.Facts(), pins.IstioVersion, pins.K3sImage)
	for _, step := range steps {
		requests := 0
		for _, of := range step.Requests {
			requests += of
		}
		fmt.Fprintf(&b, "| %s | %.1f | %d | %d | %s |\n", step.Name, step.Took.Seconds(), requests, step.Failed, strings.ReplaceAll(said[step.Name], "|", `\|`))
	}
	return b.String()
}
