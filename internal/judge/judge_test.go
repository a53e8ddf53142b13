package judge

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

var limits = Limits{MaxExcess: 0.01, Confidence: 0.99, Verdicts: 1}

func TestLook(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name           string
		stable, canary Counts
		want           Outcome
	}{
		{"nothing yet", Counts{}, Counts{}, Hold},
		{"the first answers fail", Counts{60, 0}, Counts{3, 3}, Hold},
		{"every answer fails", Counts{95, 0}, Counts{5, 5}, Fail},
		{"five in a hundred fail", Counts{9500, 0}, Counts{500, 25}, Fail},
		{"few requests", Counts{9500, 0}, Counts{500, 0}, Hold},
		{"many requests", Counts{20000, 0}, Counts{2000, 0}, Pass},
		{"as sick as stable", Counts{20000, 8000}, Counts{2000, 800}, Hold},
		{"as sick as stable, and long enough", Counts{2000000, 800000}, Counts{1000000, 400000}, Pass},
		{"better than stable", Counts{20000, 8000}, Counts{2000, 0}, Pass},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			v := limits.Look(tc.stable, tc.canary)
			require.Equal(t, tc.want, v.Outcome, "%+v", v)
			require.LessOrEqual(t, v.Low, v.Excess)
			require.GreaterOrEqual(t, v.High, v.Excess)
			if v.Outcome != Hold {
				return
			}
			needed := limits.Needed(tc.stable, tc.canary)
			more := Counts{tc.canary.Requests + needed, tc.canary.Failures + uint64(float64(needed)*tc.stable.Share())}
			ratio := 1.0
			if tc.canary.Requests > 0 {
				ratio = float64(tc.stable.Requests) / float64(tc.canary.Requests)
			}
			by := ratio * float64(needed)
			beside := Counts{tc.stable.Requests + uint64(by), tc.stable.Failures + uint64(by*tc.stable.Share())}
			require.Equal(t, Pass, limits.Look(beside, more).Outcome, "after %d more", needed)
		})
	}
}

// Looking after every request does not make a wrong verdict likelier than it may be.
func TestLookAgainAndAgain(t *testing.T) {
	t.Parallel()
	const releases = 200
	for _, tc := range []struct {
		wrong    Outcome
		requests int // of the canary between two looks, and of stable 19 times as many
	}{
		{Fail, 1},
		{Pass, 20},
	} {
		t.Run(string(tc.wrong), func(t *testing.T) {
			t.Parallel()
			wrong := 0
			random := rand.New(rand.NewPCG(1, 2))
			for range releases {
				var stable, canary Counts
				for range 300 {
					stable = sent(random, stable, 19*tc.requests, 0.02)
					canary = sent(random, canary, tc.requests, 0.03) // as much more as it may
					if limits.Look(stable, canary).Outcome == tc.wrong {
						wrong++
						break
					}
				}
			}
			require.LessOrEqual(t, wrong, 2, "of %d releases", releases)
		})
	}
}

func sent(random *rand.Rand, c Counts, requests int, share float64) Counts {
	for range requests {
		c.Requests++
		if random.Float64() < share {
			c.Failures++
		}
	}
	return c
}
