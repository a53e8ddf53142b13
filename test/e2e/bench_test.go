//go:build e2e && bench

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/test/bench"
	"canary/test/e2e/harness"
	"canary/test/machine"
)

// TestFigures measures the default stack, and writes figures.md and figures.json into the folder BENCH_OUT.
// BENCH_CHANGES is the number of changes of the weight (30).
func TestFigures(t *testing.T) {
	changes := 30
	if text := os.Getenv("BENCH_CHANGES"); text != "" {
		var err error
		changes, err = strconv.Atoi(text)
		require.NoError(t, err, "BENCH_CHANGES")
	}
	f := &bench.Figures{Title: "Figures", Date: time.Now(), Command: "make bench"}
	p := harness.NewProject(t)
	destroyed := false
	t.Cleanup(func() {
		if !destroyed {
			p.Destroy(t)
		}
	})
	charts := relayCharts(t, p)
	start := time.Now()
	p.Up(t)
	upTook := time.Since(start)

	m := &measurement{Project: p, client: p.Client(t)}
	m.measureChanges(t, f, changes)
	m.measureRecords(t, f)
	m.measureNoop(t, f)
	m.measureFar(t, f, charts)
	m.measureRequests(t, f)
	m.measureScale(t, f, changes)
	m.measurePromotion(t, f)

	f.Add("upFromNothingSeconds", upTook.Seconds(), "`pulumi up` of the default stack: cluster of four nodes, Istio, app")
	start = time.Now()
	p.Destroy(t)
	destroyed = true
	f.Add("destroySeconds", time.Since(start).Seconds(), "`pulumi destroy` of all of it")

	f.Machine = machine.Facts()
	f.Notes = append(f.Notes, "Figures of time are the median unless the key says another; a target that is missed is marked.")
	t.Logf("\n%s", f.Markdown())
	for _, missed := range f.Missed() {
		t.Log("missed: " + missed)
	}
	if out := os.Getenv("BENCH_OUT"); out != "" {
		text, err := f.JSON()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(out, "figures.json"), text, 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(out, "figures.md"), []byte(f.Markdown()), 0o644))
	}
}

// measureRequests compares 100 requests, sent and counted by `canary requests`, with a loop of curl and jq.
func (m *measurement) measureRequests(t *testing.T, f *bench.Figures) {
	t.Helper()
	url := ""
	require.NoError(t, json.Unmarshal([]byte(m.Output(t, "url")), &url))
	const loop = `for i in $(seq 100); do curl --silent "$0" | jq --raw-output .subset; done | sort | uniq -c`
	if _, _, err := harness.Try(m.Dir, m.Env, "sh", "-c", "command -v curl && command -v jq"); err != nil {
		f.Notes = append(f.Notes, "curl or jq is not installed here, so the loop of curl was not measured.")
		return
	}
	var loops, commands, sending []time.Duration
	for range 5 {
		start := time.Now()
		harness.Run(t, m.Dir, m.Env, "sh", "-c", loop, url)
		loops = append(loops, time.Since(start))

		start = time.Now()
		out := harness.Run(t, m.Dir, m.Env, "canary", "requests", "--output", "json", "--stack", m.Stack)
		commands = append(commands, time.Since(start))
		var r struct {
			DurationSeconds float64 `json:"durationSeconds"`
		}
		require.NoError(t, json.Unmarshal([]byte(out), &r))
		sending = append(sending, time.Duration(r.DurationSeconds*float64(time.Second)))
	}
	f.Add("curlLoopSeconds", bench.Median(loops), "100 requests, one after the other, by `"+"curl \\| jq \\| sort \\| uniq -c"+"`")
	f.Add("requestsSeconds", bench.Median(sending), "the 100 requests of `canary requests`, first to last answer")
	f.Add("requestsCommandSeconds", bench.Median(commands), "the whole command `canary requests`, which also reads the stack's outputs and the split")
	f.AtLeast(20, "requestsSpeedup", bench.Median(loops)/bench.Median(sending), "curlLoopSeconds / requestsSeconds")
	f.Add("requestsCommandSpeedup", bench.Median(loops)/bench.Median(commands), "curlLoopSeconds / requestsCommandSeconds")
}
