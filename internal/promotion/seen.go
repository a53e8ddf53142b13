package promotion

import (
	"fmt"
	"slices"
	"time"

	"canary/internal/envoy"
	"canary/internal/judge"
	"canary/internal/meter"
	"canary/internal/release"
)

// Seen is what the requests of a step say.
type Seen struct {
	Verdict judge.Verdict `json:"verdict"`
	// Slowness is the verdict on the requests that took longer than they may, which its counts
	// have as failures; nil is that it is not judged.
	Slowness *judge.Verdict `json:"slowness,omitempty"`
}

// Outcome is that of both verdicts.
func (s Seen) Outcome() judge.Outcome {
	outcomes := []judge.Outcome{s.Verdict.Outcome}
	if s.Slowness != nil {
		outcomes = append(outcomes, s.Slowness.Outcome)
	}
	for _, outcome := range []judge.Outcome{judge.Fail, judge.Hold} {
		if slices.Contains(outcomes, outcome) {
			return outcome
		}
	}
	return judge.Pass
}

// What stable has to have answered before a step so that its p99 says what is slow.
const leastTimes = 100

// slowAfter is the least of Envoy's bounds that at most one in a hundred requests of any of
// the times exceeded; 0 is that there were too few. A bound that is too large hides a slow
// canary, while one that is too small condemns none, since stable is held against it, too.
func slowAfter(times ...envoy.Times) Duration {
	for _, bound := range envoy.Bounds {
		for _, of := range times {
			if slow, all := of.Over(bound); all >= leastTimes && slow*100 <= all {
				return milliseconds(bound)
			}
		}
	}
	return 0
}

func milliseconds(bound float64) Duration { return Duration(bound * float64(time.Millisecond)) }

// look judges a step by what was read of it.
func (r *Record) look(reading meter.Reading) Seen {
	seen := Seen{Verdict: r.limits(r.MaxFailures).Look(r.beside(reading.Stable, func(s Seen) judge.Counts { return s.Verdict.Stable }), reading.Canary)}
	if r.MaxSlowdown > 0 && r.SlowAfter > 0 && len(reading.Before)+len(reading.Times) > 0 {
		stable, canary := r.slow(reading.Times[release.Stable]), r.slow(reading.Times[release.Canary])
		verdict := r.limits(r.MaxSlowdown).Look(r.beside(stable, func(s Seen) judge.Counts {
			if s.Slowness == nil {
				return judge.Counts{}
			}
			return s.Slowness.Stable
		}), canary)
		seen.Slowness = &verdict
	}
	return seen
}

// slow counts the requests that took longer than they may as failures.
func (r *Record) slow(times envoy.Times) judge.Counts {
	slow, all := times.Over(float64(r.SlowAfter) / float64(time.Millisecond))
	return judge.Counts{Requests: all, Failures: slow}
}

// beside are the counts of stable that the canary's are held against: while all requests go
// to the canary, also those of the steps before.
func (r *Record) beside(stable judge.Counts, of func(Seen) judge.Counts) judge.Counts {
	if r.Stage != len(r.Steps) {
		return stable
	}
	for _, step := range r.Judged {
		before := of(step.Seen)
		stable.Requests += before.Requests
		stable.Failures += before.Failures
	}
	return stable
}

// limits are those of each verdict: there is one in each step, or two where slowness is judged.
func (r *Record) limits(allowed float64) judge.Limits {
	verdicts := len(r.Steps)
	if r.MaxSlowdown > 0 {
		verdicts *= 2
	}
	return judge.Limits{MaxExcess: allowed, Confidence: r.Confidence, Verdicts: verdicts}
}

// describe is what was seen, for people.
func (r *Record) describe(seen Seen) string {
	text := describe(seen.Verdict, "failed", r.MaxFailures)
	if seen.Slowness != nil {
		text += fmt.Sprintf("\nslower than %v: %s", r.SlowAfter, describe(*seen.Slowness, "were slow", r.MaxSlowdown))
	}
	return text
}

func describe(v judge.Verdict, did string, allowed float64) string {
	percent := func(share float64) string { return fmt.Sprintf("%.3g %%", 100*share) }
	counts := func(c judge.Counts) string { return fmt.Sprintf("%d of %d %s", c.Failures, c.Requests, did) }
	text := fmt.Sprintf("stable %s, canary %s; canary's share less stable's %s, surely between %s and %s, allowed %s: %s",
		counts(v.Stable), counts(v.Canary), percent(v.Excess), percent(v.Low), percent(v.High), percent(allowed), v.Outcome)
	if v.Stable.Share() > allowed {
		text += "; stable itself is so, and the canary is judged beside it"
	}
	return text
}

// whySick is why a canary is taken back from a weight.
func (r *Record) whySick(seen Seen, weight string) string {
	what := "fails more"
	if seen.Verdict.Outcome != judge.Fail {
		what = "is slow more often"
	}
	return fmt.Sprintf("%s the canary %s than it may: %s", at(weight), what, r.describe(seen))
}

// missing is what it takes until the requests tell.
func (r *Record) missing(seen Seen, held time.Duration) string {
	needed, rate := uint64(0), float64(seen.Verdict.Canary.Requests)/held.Seconds()
	if v := seen.Verdict; v.Outcome == judge.Hold {
		needed = r.limits(r.MaxFailures).Needed(v.Stable, v.Canary)
	}
	if v := seen.Slowness; v != nil && v.Outcome == judge.Hold {
		needed = max(needed, r.limits(r.MaxSlowdown).Needed(v.Stable, v.Canary))
	}
	text := fmt.Sprintf("%d more of the canary's", needed)
	if rate > 0 {
		return text + fmt.Sprintf(", %v at %.3g a second", time.Duration(float64(needed)/rate*float64(time.Second)).Round(time.Second), rate)
	}
	return text + ", and none come"
}
