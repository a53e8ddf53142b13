// Package judge tells a sick canary from a healthy one by the counts of its requests. It may
// be asked after every request: what it says stays as sure as it claims to be however often
// one looks. docs/judgement.md has the formulas.
package judge

import "math"

// Counts is what the requests of one subset came to.
type Counts struct {
	Requests uint64 `json:"requests"`
	Failures uint64 `json:"failures"`
}

// Share is that of the failures, 0 to 1; 0 of no requests.
func (c Counts) Share() float64 {
	if c.Requests == 0 {
		return 0
	}
	return float64(c.Failures) / float64(c.Requests)
}

// Limits is what a canary may be like.
type Limits struct {
	// MaxExcess is by how much the canary's share of failures may be larger than stable's,
	// above 0 and below 1.
	MaxExcess float64
	// Confidence is how sure a verdict has to be, above 0 and below 1: of canaries within the
	// limit at most 1 - Confidence are failed, and of canaries beyond it at most so many pass.
	Confidence float64
}

// Outcome is what the counts say.
type Outcome string

// The outcomes.
const (
	Hold Outcome = "hold" // the counts do not tell yet
	Fail Outcome = "fail" // the canary fails more than it may
	Pass Outcome = "pass" // it does not
)

// Verdict is an outcome with what it was drawn from.
type Verdict struct {
	Outcome        Outcome `json:"outcome"`
	Stable, Canary Counts
	// Excess is the canary's share of failures less stable's, and the true one is between Low
	// and High, with the confidence of the limits, at all times at once.
	Excess, Low, High float64
}

// Look judges the counts of both subsets, which are those of the same time.
func (l Limits) Look(stable, canary Counts) Verdict {
	alpha := l.alpha()
	stableLow, stableHigh := bounds(stable, alpha)
	canaryLow, canaryHigh := bounds(canary, alpha)
	v := Verdict{
		Stable: stable, Canary: canary, Outcome: Hold,
		Excess: canary.Share() - stable.Share(), Low: canaryLow - stableHigh, High: canaryHigh - stableLow,
	}
	switch {
	case v.Low > l.MaxExcess:
		v.Outcome = Fail
	case v.High <= l.MaxExcess:
		v.Outcome = Pass
	}
	return v
}

// alpha is how unsure the interval of one subset may be.
func (l Limits) alpha() float64 { return (1 - l.Confidence) / 2 }

// Needed is how many requests more a canary takes until it passes, if they fail as stable's
// do and stable gets requests in the same proportion.
func (l Limits) Needed(stable, canary Counts) uint64 {
	alpha, ratio := l.alpha(), 1.0
	if canary.Requests > 0 {
		ratio = float64(stable.Requests) / float64(canary.Requests)
	}
	passes := func(more uint64) bool {
		grow := func(c Counts, by float64) Counts {
			return Counts{c.Requests + uint64(by), c.Failures + uint64(by*stable.Share())}
		}
		low, _ := bounds(grow(stable, ratio*float64(more)), alpha)
		_, high := bounds(grow(canary, float64(more)), alpha)
		return high-low <= l.MaxExcess
	}
	const most = 1 << 40
	high := uint64(1) // by doubling, then by halving what is between
	for !passes(high) {
		if high *= 2; high >= most {
			return most
		}
	}
	low := high / 2
	for low+1 < high {
		if middle := (low + high) / 2; passes(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// bounds is a confidence sequence for the share of failures: at all times at once it holds
// the true share with the probability 1 - alpha. A share is outside when the counts are
// 1/alpha times likelier under the mixture of all shares by Jeffreys' prior, Beta(1/2, 1/2),
// than under it: by Ville's inequality that never happens to the true one with more than the
// probability alpha (Robbins, Statistical Methods Related to the Law of the Iterated
// Logarithm, 1970; Howard, Ramdas, McAuliffe and Sekhon, Time-uniform, nonparametric,
// nonasymptotic confidence sequences, 2021).
func bounds(c Counts, alpha float64) (low, high float64) {
	n, x := float64(c.Requests), float64(c.Failures)
	mixture := logBeta(x+0.5, n-x+0.5) - logBeta(0.5, 0.5)
	inside := func(p float64) bool {
		return mixture-weighted(x, math.Log(p))-weighted(n-x, math.Log1p(-p)) < -math.Log(alpha)
	}
	// The likelihood has its only top at the observed share.
	return edge(c.Share(), 0, inside), edge(c.Share(), 1, inside)
}

// edge is where inside ends on the way from one share to another.
func edge(from, to float64, inside func(float64) bool) float64 {
	if inside(to) {
		return to
	}
	for range 60 {
		middle := (from + to) / 2
		if inside(middle) {
			from = middle
		} else {
			to = middle
		}
	}
	return to
}

// weighted is a product in which nothing of something infinite is nothing.
func weighted(times, value float64) float64 {
	if times == 0 {
		return 0
	}
	return times * value
}

func logBeta(a, b float64) float64 {
	logGamma := func(x float64) float64 {
		value, _ := math.Lgamma(x)
		return value
	}
	return logGamma(a) + logGamma(b) - logGamma(a+b)
}
