package traffic

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// Confidence is the probability that a right split lies within its bound: a
// false alarm comes about once in 10 000 runs, or less often.
const Confidence = 0.9999

// Bound is the two-sided exact binomial bound of the answers that a subset
// gets out of n when each goes to it with probability p: fewer than lower, and
// more than upper, have each a probability of at most (1-confidence)/2. It
// always holds that lower ≤ n·p ≤ upper. With p = 0 and p = 1 the bound is one
// number: a single answer from the wrong subset is outside.
func Bound(n int, p, confidence float64) (lower, upper int) {
	switch {
	case n <= 0 || p <= 0:
		return 0, 0
	case p >= 1:
		return n, n
	}
	tail := (1 - confidence) / 2
	mean := float64(n) * p
	lower = min(lowest(n, p, tail), int(math.Floor(mean)))
	// From the mirrored distribution: 1-CDF would lose the tail to rounding.
	upper = max(n-lowest(n, 1-p, tail), int(math.Ceil(mean)))
	return lower, upper
}

// lowest is the largest k for which fewer than k has at most probability tail.
func lowest(n int, p, tail float64) int {
	b := distuv.Binomial{N: float64(n), P: p}
	return sort.Search(n, func(k int) bool { return b.CDF(float64(k)) > tail })
}
