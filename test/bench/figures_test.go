package bench

import (
	"testing"
	"time"

	"github.com/sebdah/goldie/v2"
	"github.com/stretchr/testify/require"
)

func example() *Figures {
	f := &Figures{
		Title: "Figures", Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Command: "make bench",
		Machine: "a machine", Notes: []string{"How the change is split into its parts."},
	}
	f.AtMost(0.3, "convergeP95Seconds", 0.12345, "write to last proxy")
	f.AtMost(1.2, "handPatchRatio", 1.3, "against a hand patch")
	f.AtLeast(20, "requestsSpeedup", 40, "against curl")
	f.Add("destroySeconds", 6.5, "all of it")
	return f
}

func TestFigures(t *testing.T) {
	t.Parallel()
	f := example()
	golden := goldie.New(t)
	golden.Assert(t, "figures.md", []byte(f.Markdown()))
	text, err := f.JSON()
	require.NoError(t, err)
	golden.Assert(t, "figures.json", text)
	require.Equal(t, []string{"handPatchRatio is 1.3, and ≤ 1.2 is wanted"}, f.Missed())
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	var times []time.Duration
	for i := 20; i >= 1; i-- {
		times = append(times, time.Duration(i)*time.Second)
	}
	require.InDelta(t, 10, Median(times), 0)
	require.InDelta(t, 19, Percentile(times, 95), 0)
	require.InDelta(t, 20, Percentile(times, 100), 0)
	require.InDelta(t, 3, Median([]time.Duration{3 * time.Second}), 0)
}
