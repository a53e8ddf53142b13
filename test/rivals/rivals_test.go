package rivals

import (
	"errors"
	"testing"
	"time"

	"github.com/sebdah/goldie/v2"
	"github.com/stretchr/testify/require"

	"canary/internal/release"
	"canary/internal/traffic"
)

var begun = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// result is an answer with 200 of a subset, some milliseconds after the release began.
func result(at, latency int, subset string) traffic.Result {
	return traffic.Result{Start: begun.Add(time.Duration(at) * time.Millisecond), Latency: time.Duration(latency) * time.Millisecond, Status: 200, Subset: subset}
}

func failed(r traffic.Result) traffic.Result {
	r.Status = 500
	return r
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	before := []traffic.Result{failed(result(-300, 5, release.Stable)), result(-200, 10, release.Stable), result(-100, 15, release.Stable)}
	cut := result(2000, 1, "")
	cut.Status, cut.Err = 0, errors.New("reset")
	late := result(3000, 261, release.Canary)
	for _, tc := range []struct {
		name  string
		after []traffic.Result
		slow  bool
		want  Harm
	}{
		{name: "nothing was sent"},
		{name: "nothing is bad", after: []traffic.Result{result(0, 10, release.Stable), result(1000, 10, release.Canary)}, want: Harm{Requests: 2}},
		{
			name:  "failures, in the order of their answers",
			after: []traffic.Result{cut, failed(result(1000, 500, release.Canary)), failed(result(0, 3000, release.Canary)), result(9000, 10, release.Stable)},
			want:  Harm{Requests: 4, Bad: 3, Lasted: 1500 * time.Millisecond},
		},
		{
			name:  "until the load ends",
			after: []traffic.Result{failed(result(0, 10, release.Canary)), failed(result(8000, 10, release.Canary)), result(9000, 10, release.Stable)},
			want:  Harm{Requests: 3, Bad: 2, Lasted: 8 * time.Second, GoesOn: true},
		},
		{
			name: "late ones of the canary", slow: true,
			after: []traffic.Result{result(1000, 260, release.Canary), late, result(4000, 900, release.Stable), result(9000, 10, release.Stable)},
			want:  Harm{Requests: 4, Bad: 1},
		},
		{name: "late ones of a release that is not slow", after: []traffic.Result{late}, want: Harm{Requests: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, Measure(append(before[:3:3], tc.after...), begun, tc.slow))
		})
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := Report{
		Date: begun, Machine: "a machine", Intro: "How it was measured.",
		Tools: []Tool{{"ours", "all defaults.", false}, {"one", "an interval of 10 s.", true}, {"other", "none.", true}},
		Trials: []Trial{
			{Release: "healthy", Tool: "ours", Verdict: "promoted", Took: 140 * time.Second, Said: "promoted"},
			{Release: "answers 500", Tool: "ours", Harm: Harm{Requests: 900, Bad: 9, Lasted: 1900 * time.Millisecond}, Verdict: "taken back", Took: 8 * time.Second, Said: "it fails"},
			{Release: "healthy", Tool: "one", Harm: Harm{Requests: 900, Bad: 1}, Verdict: "promoted", Took: 80 * time.Second, Said: "Succeeded"},
			{Release: "answers 500", Tool: "one", Harm: Harm{Requests: 900, Bad: 100, Lasted: 20 * time.Second}, Verdict: "taken back", Took: 31 * time.Second, Said: "Failed"},
			{Release: "answers 500", Tool: "other", Harm: Harm{Requests: 900, Bad: 800, Lasted: 30 * time.Second, GoesOn: true}, Verdict: "promoted", Took: 31 * time.Second, Said: "Healthy"},
		},
	}
	goldie.New(t).Assert(t, "report.md", []byte(r.Markdown()))
}
