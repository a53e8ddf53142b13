package torture

import (
	"strings"
	"testing"
	"time"

	"github.com/sebdah/goldie/v2"
	"github.com/stretchr/testify/require"
)

var kinds = []Kind{
	{Name: "weight", Often: 4, Weight: true},
	{Name: "image", Often: 4, Image: true},
	{Name: "both", Often: 4, Weight: true, Image: true},
	{Name: "none", Often: 4},
	{Name: "rare", Often: 1},
}

// A seed that is written down somewhere stands for its steps.
func TestSeed(t *testing.T) {
	t.Parallel()
	var steps strings.Builder
	for _, seed := range []uint64{1, 2} {
		sequence := NewSequence(seed, kinds, 3, "a", "b")
		for range 8 {
			steps.WriteString(sequence.Next().String() + "\n")
		}
	}
	goldie.New(t).Assert(t, "steps", []byte(steps.String()))
}

func TestSteps(t *testing.T) {
	t.Parallel()
	sequence := NewSequence(3, kinds, 3, "a", "b")
	release := Release{Image: "a"}
	times, agents := map[string]int{}, map[int]bool{}
	for i := range 2000 {
		step := sequence.Next()
		require.Equal(t, i+1, step.Number)
		require.Equal(t, release, step.Old, "%s", step)
		require.Equal(t, step.Kind == "weight" || step.Kind == "both", step.New.Weight != step.Old.Weight, "%s", step)
		require.Equal(t, step.Kind == "image" || step.Kind == "both", step.New.Image != step.Old.Image, "%s", step)
		require.NotEqual(t, step.New.Weight, step.Hand, "%s", step)
		for _, weight := range []int{step.New.Weight, step.Hand} {
			require.True(t, 0 <= weight && weight <= 100, "%s", step)
		}
		require.True(t, 5*time.Second <= step.Lasts && step.Lasts <= 12*time.Second, "%s", step)
		require.True(t, 0 <= step.Into && step.Into <= 15*time.Second, "%s", step)
		release = step.New
		times[step.Kind]++
		agents[step.Agent] = true
	}
	require.Len(t, times, len(kinds))
	require.Less(t, 2*times["rare"], times["none"])
	require.Equal(t, map[int]bool{0: true, 1: true, 2: true}, agents)
}
