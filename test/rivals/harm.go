// Package rivals says what a bad release did to users, and writes it down for several tools beside each other. The
// controllers of the others are modules of their own below it.
package rivals

import (
	"time"

	"canary/internal/release"
	"canary/internal/traffic"
)

// Late is by how much an answer may take longer than is usual before it is a bad one.
const Late = 250 * time.Millisecond

// settled is how long before the end of the load bad answers have to end, or they go on.
const settled = 3 * time.Second

// Harm is what users saw of a release.
type Harm struct {
	Requests int           // that were due since it began
	Bad      int           // of these
	Lasted   time.Duration // from the first bad answer to the last
	GoesOn   bool          // bad answers came until the load ended
}

// Measure tells the harm of a release that began at a moment. Bad are requests that failed and, when the release is a slow
// one, answers of the canary that took longer by Late than the median of the requests before.
func Measure(results []traffic.Result, begun time.Time, slow bool) Harm {
	limit := usual(results, begun) + Late
	var h Harm
	var first, last, end time.Time
	for _, r := range results {
		if r.Start.Before(begun) {
			continue
		}
		h.Requests++
		answered := r.Start.Add(r.Latency)
		end = later(end, answered)
		if r.Failure() == "" && (!slow || r.Subset != release.Canary || r.Latency <= limit) {
			continue
		}
		h.Bad++
		if first.IsZero() || answered.Before(first) {
			first = answered
		}
		last = later(last, answered)
	}
	h.Lasted = last.Sub(first)
	h.GoesOn = h.Bad > 0 && end.Sub(last) < settled
	return h
}

// usual is the median of the requests that were answered, of those sent before a moment.
func usual(results []traffic.Result, moment time.Time) time.Duration {
	var before traffic.Tally
	for _, r := range results {
		if r.Start.Before(moment) {
			before.Add(r)
		}
	}
	return before.Latencies(50)[0]
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
