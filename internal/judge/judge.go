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
	// Confidence is how sure all verdicts of a canary together have to be, above 0 and below 1:
	// of canaries within the limits at most 1 - Confidence are failed by one, and of canaries
	// beyond one at most so many pass all.
	Confidence float64
	// Verdicts is how many there are, at least 1.
	Verdicts int
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
	// Excess is the canary's share of failures less stable's. With the confidence of the limits
	// each, the true one is at no time below Low, in all the verdicts, nor above High, in this.
	Excess, Low, High float64
}

// Look judges the counts of both subsets, which are those of the same time.
func (l Limits) Look(stable, canary Counts) Verdict {
	// One wrong verdict is enough to fail a healthy canary; to let a sick one pass, the one that
	// it is beyond the limit of has to be wrong.
	unsure := (1 - l.Confidence) / float64(l.Verdicts)
	v := Verdict{
		Stable: stable, Canary: canary, Outcome: Hold,
		Excess: canary.Share() - stable.Share(),
		Low:    lower(canary, canaryPart*unsure) - upper(stable, (1-canaryPart)*unsure),
		High:   l.high(stable, canary),
	}
	switch {
	case v.Low > l.MaxExcess:
		v.Outcome = Fail
	case v.High <= l.MaxExcess:
		v.Outcome = Pass
	}
	return v
}

func (l Limits) high(stable, canary Counts) float64 {
	unsure := 1 - l.Confidence
	return upper(canary, canaryPart*unsure) - lower(stable, (1-canaryPart)*unsure)
}

// canaryPart is of how unsure a verdict may be: stable gets more requests, so that its bound
// is near however sure it has to be.
const canaryPart = 0.8

// Needed is how many requests more a canary takes until it passes, if they fail as stable's
// do and stable gets requests in the same proportion.
func (l Limits) Needed(stable, canary Counts) uint64 {
	ratio := 1.0
	if canary.Requests > 0 {
		ratio = float64(stable.Requests) / float64(canary.Requests)
	}
	passes := func(more uint64) bool {
		grow := func(c Counts, by float64) Counts {
			return Counts{c.Requests + uint64(by), c.Failures + uint64(by*stable.Share())}
		}
		return l.high(grow(stable, ratio*float64(more)), grow(canary, float64(more))) <= l.MaxExcess
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

// lower and upper are the ends of a confidence sequence for the share of failures: at all
// times at once it holds the true share with the probability 1 - alpha.
func lower(c Counts, alpha float64) float64 { return edge(c.Share(), 0, c.inside(alpha)) }

func upper(c Counts, alpha float64) float64 { return edge(c.Share(), 1, c.inside(alpha)) }

// inside says whether a share is in the sequence. It is outside when the counts are 1/alpha
// times likelier under a mixture of all shares than under it: by Ville's inequality that never
// happens to the true one with more than the probability alpha (Robbins, Statistical Methods
// Related to the Law of the Iterated Logarithm, 1970; Howard, Ramdas, McAuliffe and Sekhon,
// Time-uniform, nonparametric, nonasymptotic confidence sequences, 2021). Any mixture will do;
// Beta(1/4, 1/2) has much of its weight at small shares and some at 1, which are those of apps.
func (c Counts) inside(alpha float64) func(share float64) bool {
	const a, b = 0.25, 0.5
	n, x := float64(c.Requests), float64(c.Failures)
	mixture := logBeta(x+a, n-x+b) - logBeta(a, b)
	return func(p float64) bool {
		return mixture-weighted(x, math.Log(p))-weighted(n-x, math.Log1p(-p)) < -math.Log(alpha)
	}
}

// edge is where inside ends on the way from the observed share, the only top of the likelihood,
// to another.
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
