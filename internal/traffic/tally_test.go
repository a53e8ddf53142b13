package traffic

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func tallyOf(answers map[string]int, others ...Result) *Tally {
	t := new(Tally)
	for subset, n := range answers {
		for range n {
			t.Add(Result{Status: 200, Subset: subset, Latency: time.Millisecond})
		}
	}
	for _, r := range others {
		t.Add(r)
	}
	return t
}

func TestJudge(t *testing.T) {
	t.Parallel()
	half := Split{{"stable", 50}, {"canary", 50}}
	allStable := Split{{"stable", 100}, {"canary", 0}}
	allCanary := Split{{"stable", 0}, {"canary", 100}}
	cases := []struct {
		name   string
		split  Split
		tally  *Tally
		want   Verdict
		reason string
	}{
		{name: "half, at the bound", split: half, tally: tallyOf(map[string]int{"stable": 31, "canary": 69}), want: Within},
		{name: "half, beyond the bound", split: half, tally: tallyOf(map[string]int{"stable": 30, "canary": 70}), want: Outside},
		{name: "all stable", split: allStable, tally: tallyOf(map[string]int{"stable": 1000}), want: Within},
		{name: "all stable but one", split: allStable, tally: tallyOf(map[string]int{"stable": 999, "canary": 1}), want: Outside},
		{name: "all canary", split: allCanary, tally: tallyOf(map[string]int{"canary": 1000}), want: Within},
		{name: "all canary but one", split: allCanary, tally: tallyOf(map[string]int{"canary": 999, "stable": 1}), want: Outside},
		{name: "a subset that the split has not", split: half, tally: tallyOf(map[string]int{"stable": 50, "canary": 49, "blue": 1}), want: Outside},
		{
			name: "failed answers count for their subset", split: half,
			tally: tallyOf(map[string]int{"stable": 31}, repeat(69, Result{Status: 500, Subset: "canary"})...), want: Within,
		},
		{
			name: "requests without an answer do not count", split: half,
			tally: tallyOf(map[string]int{"stable": 50, "canary": 50}, repeat(40, Result{Err: io.EOF})...), want: Within,
		},
		{
			name: "an answer without its subset", split: half,
			tally: tallyOf(map[string]int{"stable": 50, "canary": 49}, Result{Status: 200}), want: CannotTell,
			reason: "1 of 100 answers do not say which subset they come from: the proxy that routes them names it in a header, as the stack's VirtualService tells it to; `pulumi up` writes it as the stack has it",
		},
		{
			name: "no answer at all", split: half, tally: tallyOf(nil, Result{Err: io.EOF}), want: CannotTell,
			reason: "no answer says which subset it comes from",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := c.tally.Judge(c.split)
			require.Equal(t, c.want, got.Verdict)
			require.Equal(t, c.reason, got.Reason)
		})
	}
}

func TestJudgeOrdersSubsets(t *testing.T) {
	t.Parallel()
	got := tallyOf(map[string]int{"zebra": 1, "blue": 1, "canary": 1}).Judge(Split{{"stable", 1}, {"canary", 1}})
	var names []string
	for _, s := range got.Subsets {
		names = append(names, s.Subset)
	}
	require.Equal(t, []string{"stable", "canary", "blue", "zebra"}, names)
}

func TestTallyCounts(t *testing.T) {
	t.Parallel()
	late := Result{Status: 200, Subset: "stable", Capped: true}
	cut := Result{Status: 200, Err: io.ErrUnexpectedEOF}
	tally := tallyOf(map[string]int{"stable": 2}, late, cut, Result{Status: 503}, Result{Status: 503, Subset: "canary"})
	require.Equal(t, 6, tally.Requests())
	require.Equal(t, 3, tally.Failed())
	require.Equal(t, 1, tally.Capped())
	require.Equal(t, 0, tally.Unattributed())
	require.Equal(t, Count{Answers: 3}, tally.Count("stable"))
	require.Equal(t, Count{Answers: 1, Failed: 1}, tally.Count("canary"))
	require.Equal(t, map[string]Failed{"503": {Count: 2}, FailureClosed: {Count: 1, Example: io.ErrUnexpectedEOF}}, tally.Failures())
}

func TestLatencies(t *testing.T) {
	t.Parallel()
	tally := new(Tally)
	require.Equal(t, []time.Duration{0, 0}, tally.Latencies(50, 100))
	for i := 100; i >= 1; i-- {
		tally.Add(Result{Status: 200, Latency: time.Duration(i)})
	}
	tally.Add(Result{Err: io.EOF, Latency: time.Hour})
	require.Equal(t, []time.Duration{1, 50, 90, 99, 100}, tally.Latencies(0, 50, 90, 99, 100))
}

func TestFailure(t *testing.T) {
	t.Parallel()
	wrap := func(err error) Result {
		return Result{Err: &net.OpError{Op: "read", Net: "tcp", Err: err}}
	}
	cases := []struct {
		name   string
		result Result
		want   string
	}{
		{name: "good", result: Result{Status: 200}, want: ""},
		{name: "redirect", result: Result{Status: 302}, want: ""},
		{name: "client error", result: Result{Status: 404}, want: "404"},
		{name: "server error", result: Result{Status: 503}, want: "503"},
		{name: "deadline", result: wrap(context.DeadlineExceeded), want: FailureTimeout},
		{name: "refused", result: wrap(syscall.ECONNREFUSED), want: FailureRefused},
		{name: "reset", result: wrap(syscall.ECONNRESET), want: FailureReset},
		{name: "broken pipe", result: wrap(syscall.EPIPE), want: FailureReset},
		{name: "no address", result: wrap(&net.DNSError{Err: "no such host", IsNotFound: true}), want: FailureDNS},
		{name: "end of file", result: wrap(io.EOF), want: FailureClosed},
		{name: "cut off", result: Result{Status: 200, Err: io.ErrUnexpectedEOF}, want: FailureClosed},
		{name: "closed while idle", result: Result{Err: errors.New("http: server closed idle connection")}, want: FailureClosed},
		{name: "another", result: Result{Err: errors.New("no")}, want: FailureOther},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, c.result.Failure())
		})
	}
}

func repeat(n int, r Result) []Result {
	results := make([]Result, n)
	for i := range results {
		results[i] = r
	}
	return results
}
