package traffic

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"
)

// The bounds were computed with whole-number arithmetic, without floats.
func TestBound(t *testing.T) {
	t.Parallel()
	cases := []struct {
		n            int
		p            float64
		confidence   float64
		lower, upper int
	}{
		{n: 0, p: 0.5, confidence: Confidence, lower: 0, upper: 0},
		{n: 100, p: 0, confidence: Confidence, lower: 0, upper: 0},
		{n: 100, p: 1, confidence: Confidence, lower: 100, upper: 100},
		{n: 1, p: 0.5, confidence: Confidence, lower: 0, upper: 1},
		{n: 14, p: 0.5, confidence: Confidence, lower: 0, upper: 14},
		{n: 15, p: 0.5, confidence: Confidence, lower: 1, upper: 14},
		{n: 100, p: 0.5, confidence: Confidence, lower: 31, upper: 69},
		{n: 100, p: 0.1, confidence: Confidence, lower: 1, upper: 23},
		{n: 100, p: 0.9, confidence: Confidence, lower: 77, upper: 99},
		{n: 100, p: 0.01, confidence: Confidence, lower: 0, upper: 7},
		{n: 100, p: 0.99, confidence: Confidence, lower: 93, upper: 100},
		{n: 1000, p: 0.5, confidence: Confidence, lower: 439, upper: 561},
		{n: 1000, p: 0.1, confidence: Confidence, lower: 65, upper: 139},
		{n: 1000, p: 0.0005, confidence: Confidence, lower: 0, upper: 5},
		{n: 1000, p: 0.0001, confidence: Confidence, lower: 0, upper: 3},
		{n: 2000, p: 0.125, confidence: Confidence, lower: 194, upper: 309},
		{n: 100, p: 0.5, confidence: 0.95, lower: 40, upper: 60},
		{n: 20, p: 0.3, confidence: 0.95, lower: 2, upper: 10},
		// Without the mean inside, this bound would be 1 to 1.
		{n: 1, p: 0.99999, confidence: Confidence, lower: 0, upper: 1},
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%d times %v at %v", c.n, c.p, c.confidence), func(t *testing.T) {
			t.Parallel()
			lower, upper := Bound(c.n, c.p, c.confidence)
			require.Equal(t, [2]int{c.lower, c.upper}, [2]int{lower, upper})
		})
	}
}

func TestBoundProperties(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		n := 1 + int(math.Pow(10, random.Float64()*6))
		p := float64(random.IntN(10_001)) / 10_000
		lower, upper := Bound(n, p, Confidence)
		mean := float64(n) * p
		at := fmt.Sprintf("n %d, p %v: %d to %d", n, p, lower, upper)
		require.True(t, 0 <= lower && float64(lower) <= mean+1e-6 && mean-1e-6 <= float64(upper) && upper <= n, at)
		if p > 0 && p < 1 {
			below := distuv.Binomial{N: float64(n), P: p}.CDF(float64(lower - 1))
			above := distuv.Binomial{N: float64(n), P: 1 - p}.CDF(float64(n - upper - 1))
			require.LessOrEqual(t, below+above, 1-Confidence+1e-12, at)
		}
	}
}
