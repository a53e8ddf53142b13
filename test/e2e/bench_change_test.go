//go:build e2e && bench

package e2e

import (
	"bufio"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"canary/internal/converge"
	"canary/internal/kube"
	"canary/internal/release"
	"canary/test/bench"
	"canary/test/e2e/harness"
)

// measurement is a stack that is measured.
type measurement struct {
	*harness.Project
	client *kube.Client
}

// change is one change of the weight by `config set && up`, and when each of its parts was over.
type change struct {
	total  time.Duration
	set    time.Duration // pulumi config set
	cli    time.Duration // pulumi up, until it says that it updates
	engine time.Duration // program start, registration and comparison of every resource
	write  time.Duration // guard, and the provider's update of the VirtualService until the API server wrote it
	served time.Duration // from there until the line that every proxy serves the split
	end    time.Duration // the rest

	says time.Duration // what that line says
}

// measureChanges moves the weight up and down by the stack and by hand, in turns.
func (m *measurement) measureChanges(t *testing.T, f *bench.Figures, n int) {
	t.Helper()
	var stack []change
	var byHand, handTotal []time.Duration
	for i := range n {
		stack = append(stack, m.byStack(t, []int{50, 10}[i%2]))
		served, total := m.byHand(t, []int{20, 30}[i%2])
		byHand, handTotal = append(byHand, served), append(handTotal, total)
		t.Logf("change %d: %.3f s of %.2f s; by hand %.3f s of %.2f s", i+1, stack[i].served.Seconds(), stack[i].total.Seconds(), served.Seconds(), total.Seconds())
	}
	times := func(of []change, part func(change) time.Duration) []time.Duration {
		var times []time.Duration
		for _, c := range of {
			times = append(times, part(c))
		}
		return times
	}
	each := func(part func(change) time.Duration) []time.Duration { return times(stack, part) }
	served := each(func(c change) time.Duration { return c.served })
	total := each(func(c change) time.Duration { return c.total })
	// A roll back is written before the rest of the update, so its parts come in another order.
	var gains, rollBacks []change
	for i, c := range stack {
		if i%2 == 0 {
			gains = append(gains, c)
		} else {
			rollBacks = append(rollBacks, c)
		}
	}
	part := func(part func(change) time.Duration) float64 { return bench.Median(times(gains, part)) }

	f.Add("changes", float64(n), "changes of the weight by the stack, and as many by hand, in turns")
	f.Add("convergeP50Seconds", bench.Percentile(served, 50), "from the write of the VirtualService (the API server's watch event) until `up` says that every proxy serves the split")
	f.AtMost(0.3, "convergeP95Seconds", bench.Percentile(served, 95), "the same, 95th percentile")
	f.Add("handPatchP50Seconds", bench.Percentile(byHand, 50), "the same after a patch by hand, the proxies polled in the same way")
	f.Add("handPatchP95Seconds", bench.Percentile(byHand, 95), "the same, 95th percentile")
	f.AtMost(1.2, "handPatchRatio", bench.Percentile(served, 50)/bench.Percentile(byHand, 50), "convergeP50Seconds / handPatchP50Seconds")
	f.Add("handPatchRatioP95", bench.Percentile(served, 95)/bench.Percentile(byHand, 95), "convergeP95Seconds / handPatchP95Seconds")
	f.Add("changeP50Seconds", bench.Percentile(total, 50), "`pulumi config set canaryWeight && pulumi up`, all of it")
	f.Add("changeP95Seconds", bench.Percentile(total, 95), "the same, 95th percentile")
	f.Add("handChangeP50Seconds", bench.Percentile(handTotal, 50), "patch by hand and wait")
	f.AtMost(2.5, "overHandPatchSeconds", bench.Percentile(total, 50)-bench.Percentile(handTotal, 50), "changeP50Seconds - handChangeP50Seconds")
	f.Add("partConfigSetSeconds", part(func(c change) time.Duration { return c.set }), "part of a change to more for the canary: `pulumi config set`")
	f.Add("partCliSeconds", part(func(c change) time.Duration { return c.cli }), "part: the CLI until it begins to update")
	f.Add("partEngineSeconds", part(func(c change) time.Duration { return c.engine }), "part: the program's start, and its resources registered and compared")
	f.Add("partProviderSeconds", part(func(c change) time.Duration { return c.write }), "part: the guard, and the provider's write of the VirtualService")
	f.Add("partConvergeSeconds", part(func(c change) time.Duration { return c.served }), "part: from there until `up` says that every proxy serves it")
	f.Add("partEndSeconds", part(func(c change) time.Duration { return c.end }), "part: pods checked, outputs and state written, plugins ended")
	f.Add("rollBackWrittenSeconds", bench.Median(times(rollBacks, func(c change) time.Duration { return c.total - c.end - c.served })), "a change to less for the canary, from `pulumi config set` until the VirtualService is written")
	f.Add("rollBackSeconds", bench.Median(times(rollBacks, func(c change) time.Duration { return c.total })), "all of such a change")
	f.Add("saidConvergeP50Seconds", bench.Percentile(each(func(c change) time.Duration { return c.says }), 50), "what `up` itself says that the wait took")
}

var servedLine = regexp.MustCompile(`is served by all \d+ proxies after ([0-9.]+) s`)

// byStack changes the weight as a user does, and notes when each line came.
func (m *measurement) byStack(t *testing.T, weight int) change {
	t.Helper()
	w := m.watchSplit(t)
	defer w.Stop()
	var c change
	start := time.Now()
	m.Set(t, "canaryWeight", strconv.Itoa(weight))
	c.set = time.Since(start)

	var begun, updating, line time.Time
	var said strings.Builder
	up := time.Now()
	cmd := exec.Command("pulumi", append(harness.UpArgs, "--stack", m.Stack)...)
	cmd.Dir, cmd.Env = m.Dir, m.Env
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	for lines := bufio.NewScanner(out); lines.Scan(); {
		now, text := time.Now(), lines.Text()
		said.WriteString(text + "\n")
		switch {
		case begun.IsZero() && strings.Contains(text, "Updating ("):
			begun = now
		case updating.IsZero() && strings.Contains(text, "VirtualService") && strings.Contains(text, " updating ("):
			updating = now
		}
		if found := servedLine.FindStringSubmatch(text); found != nil && line.IsZero() {
			line = now
			seconds, err := strconv.ParseFloat(found[1], 64)
			require.NoError(t, err)
			c.says = time.Duration(seconds * float64(time.Second))
		}
	}
	require.NoError(t, cmd.Wait(), said.String())
	ended := time.Now()
	for _, at := range []time.Time{begun, updating, line} {
		require.False(t, at.IsZero(), said.String())
	}
	wrote := w.wrote(t)
	c.total, c.cli, c.engine = ended.Sub(start), begun.Sub(up), updating.Sub(begun)
	c.write, c.served, c.end = wrote.Sub(updating), line.Sub(wrote), ended.Sub(line)
	return c
}

// byHand changes the weight by a patch, and waits by the same rule.
func (m *measurement) byHand(t *testing.T, weight int) (served, total time.Duration) {
	t.Helper()
	w := m.watchSplit(t)
	defer w.Stop()
	patch := fmt.Sprintf(`[{"op":"replace","path":"/spec/http/0/route/0/weight","value":%d},{"op":"replace","path":"/spec/http/0/route/1/weight","value":%d}]`, 100-weight, weight)
	app := release.App{Namespace: harness.AppName, Name: harness.AppName, Hosts: []string{harness.AppName + "." + harness.AppName + ".localhost"}}
	links := converge.NewLinks(m.client, app)
	defer links.Close()
	start := time.Now()
	_, err := harness.Objects(m.client, harness.VirtualServices, harness.AppName).Patch(t.Context(), harness.AppName, types.JSONPatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(t, err)
	_, err = links.Converge(t.Context(), nil, release.Split{Stable: int32(100 - weight), Canary: int32(weight)}, time.Minute, nil)
	require.NoError(t, err)
	ended := time.Now()
	return ended.Sub(w.wrote(t)), ended.Sub(start)
}

// splitWatch notes when the API server tells that the VirtualService was written.
type splitWatch struct {
	watch.Interface
	at chan time.Time
}

func (m *measurement) watchSplit(t *testing.T) splitWatch {
	t.Helper()
	objects := harness.Objects(m.client, harness.VirtualServices, harness.AppName)
	list, err := objects.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	w, err := objects.Watch(t.Context(), metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	require.NoError(t, err)
	s := splitWatch{Interface: w, at: make(chan time.Time, 1)}
	go func() {
		for event := range w.ResultChan() {
			if o, ok := event.Object.(*unstructured.Unstructured); ok && o.GetName() == harness.AppName && event.Type == watch.Modified {
				s.at <- time.Now()
				return
			}
		}
	}()
	return s
}

func (s splitWatch) wrote(t *testing.T) time.Time {
	t.Helper()
	select {
	case at := <-s.at:
		return at
	case <-time.After(10 * time.Second):
		t.Fatal("the API server told of no write of the VirtualService")
		return time.Time{}
	}
}
