package report

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/sebdah/goldie/v2"
	"github.com/stretchr/testify/require"

	"canary/internal/traffic"
)

func TestOutput(t *testing.T) {
	t.Parallel()
	ingress := Run{
		From: "ingress", URL: "http://app-example.app-example.localhost/", VirtualService: "app-example/app-example",
		Count: 100, Concurrency: 10, Duration: 830 * time.Millisecond,
	}
	mesh := ingress
	mesh.From, mesh.URL, mesh.Concurrency, mesh.Rate = "mesh", "http://app-example/", 0, 50
	cases := []struct {
		name    string
		run     Run
		split   traffic.Split
		results []traffic.Result
	}{
		{
			name: "within", run: ingress, split: traffic.Split{{Subset: "stable", Weight: 50}, {Subset: "canary", Weight: 50}},
			results: append(answers("stable", 200, 53), answers("canary", 200, 47)...),
		},
		{
			name: "outside", run: mesh, split: traffic.Split{{Subset: "stable", Weight: 10_000}, {Subset: "canary", Weight: 0}},
			results: append(answers("stable", 200, 99), answers("canary", 200, 1)...),
		},
		{
			name: "failures", run: ingress, split: traffic.Split{{Subset: "stable", Weight: 9995}, {Subset: "canary", Weight: 5}},
			results: append(append(answers("stable", 200, 95), answers("", 503, 3)...),
				traffic.Result{Err: errors.New("dial tcp 127.0.0.1:80: <broken>")}, traffic.Result{Status: 500, Subset: "canary", Capped: true, Latency: 12 * time.Second}),
		},
		{
			name: "unattributed", run: ingress, split: traffic.Split{{Subset: "stable", Weight: 90}, {Subset: "canary", Weight: 10}},
			results: answers("", 200, 100),
		},
		{name: "nothing", run: ingress, split: traffic.Split{{Subset: "stable", Weight: 90}, {Subset: "canary", Weight: 10}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tally := new(traffic.Tally)
			for _, r := range c.results {
				tally.Add(r)
			}
			report := New(c.run, tally, tally.Judge(c.split))
			golden := goldie.New(t)
			var table, json bytes.Buffer
			require.NoError(t, report.Table(&table))
			golden.Assert(t, c.name+".table", table.Bytes())
			require.NoError(t, report.JSON(&json))
			golden.Assert(t, c.name+".json", json.Bytes())
		})
	}
}

func answers(subset string, status, n int) []traffic.Result {
	var results []traffic.Result
	for i := range n {
		results = append(results, traffic.Result{Status: status, Subset: subset, Latency: time.Duration(i+1) * 500 * time.Microsecond})
	}
	return results
}

func TestHints(t *testing.T) {
	t.Parallel()
	for class, from := range map[string]string{
		"404": "ingress", "502": "mesh", "503": "mesh",
		traffic.FailureRefused: "ingress", traffic.FailureDNS: "ingress", traffic.FailureTimeout: "mesh",
	} {
		require.NotEmpty(t, Report{From: from}.hint(class), class)
	}
	require.Empty(t, Report{From: "ingress"}.hint("502"))
	require.Empty(t, Report{From: "mesh"}.hint(traffic.FailureRefused))
	require.Empty(t, Report{From: "mesh"}.hint("500"))
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for milliseconds, want := range map[float64]string{
		0: "0.00 ms", 3.217: "3.22 ms", 42.19: "42.2 ms", 842.4: "842 ms", 1234: "1.23 s", 12_345: "12.3 s",
	} {
		require.Equal(t, want, duration(milliseconds))
	}
}
