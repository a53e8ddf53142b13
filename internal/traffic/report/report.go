// Package report prints what a run of requests found, for people and as JSON.
package report

import (
	"encoding/json"
	"io"
	"math"
	"time"

	"canary/internal/traffic"
)

// Run describes the run that a report is about.
type Run struct {
	From           string // "ingress" or "mesh"
	URL            string
	VirtualService string // namespace/name
	Count          int    // requests that were asked for
	Concurrency    int    // 0 in an open loop
	Rate           float64
	Duration       time.Duration
}

// Report is the outcome of a run. Its JSON form is an interface: fields may be
// added, and none is renamed or removed.
type Report struct {
	// From is where the requests came from: "ingress" or "mesh".
	From string `json:"from"`
	// URL is what was asked for.
	URL string `json:"url"`
	// VirtualService is the namespace/name of the object that gave the split.
	VirtualService string `json:"virtualService"`
	// Count is how many requests were asked for.
	Count int `json:"count"`
	// Requests is how many have a result; fewer than Count after an interruption.
	Requests int `json:"requests"`
	// Concurrency of the closed loop; 0 in an open loop.
	Concurrency int `json:"concurrency"`
	// Rate is the wanted requests per second of the open loop; 0 in a closed one.
	Rate float64 `json:"rate"`
	// DurationSeconds is the time from the first request to the last answer.
	DurationSeconds float64 `json:"durationSeconds"`
	// Verdict on the split: "within", "outside" or "cannot tell".
	Verdict traffic.Verdict `json:"verdict"`
	// Reason of the verdict "cannot tell"; "" otherwise.
	Reason string `json:"reason"`
	// Confidence of the bounds: how likely a right split is within, 0 to 1.
	Confidence float64 `json:"confidence"`
	// Counts is the answers that name a subset, whatever their status, by
	// subset; every subset of the split is there.
	Counts map[string]int `json:"counts"`
	// Subsets compares the counts with the split, in the order of the
	// VirtualService.
	Subsets []Subset `json:"subsets"`
	// Unattributed is the good answers that do not say their subset.
	Unattributed int `json:"unattributed"`
	// Failed is the requests without a whole answer, with a status of 400 or above or,
	// by gRPC, with another than OK and Unimplemented.
	Failed int `json:"failed"`
	// Failures is the failed requests by class: a status ("503"; of gRPC "Unavailable"), or
	// "timeout", "connection refused", "connection reset", "connection closed",
	// "name not resolved" or "other error".
	Failures map[string]int `json:"failures"`
	// FailureExamples has an error text for each class that is no status.
	FailureExamples map[string]string `json:"failureExamples"`
	// Capped is the open loop's requests that were late because too many
	// others were unanswered.
	Capped int `json:"capped"`
	// Latency of the requests that were answered.
	Latency Latency `json:"latency"`
}

// Subset is one subset's part of a Report.
type Subset struct {
	Subset string `json:"subset"`
	// ExpectedPercent is the subset's share by the split.
	ExpectedPercent float64 `json:"expectedPercent"`
	// Answers that name this subset, whatever their status.
	Answers int `json:"answers"`
	// Percent is Answers out of all answers that name a subset.
	Percent float64 `json:"percent"`
	// Lower and Upper bound Answers, both inclusive.
	Lower int `json:"lower"`
	Upper int `json:"upper"`
	// Within says whether Answers lies between them.
	Within bool `json:"within"`
	// Failed is how many of Answers have a status that makes a request fail.
	Failed int `json:"failed"`
}

// Latency percentiles in milliseconds: from the start of a request (in an open
// loop: from when it was due) to the end of its answer.
type Latency struct {
	P50 float64 `json:"p50Milliseconds"`
	P90 float64 `json:"p90Milliseconds"`
	P99 float64 `json:"p99Milliseconds"`
	Max float64 `json:"maxMilliseconds"`
}

// New makes the report of a run.
func New(run Run, tally *traffic.Tally, judgement traffic.Judgement) Report {
	latencies := tally.Latencies(50, 90, 99, 100)
	r := Report{
		From: run.From, URL: run.URL, VirtualService: run.VirtualService,
		Count: run.Count, Requests: tally.Requests(), Concurrency: run.Concurrency, Rate: run.Rate,
		DurationSeconds: round(run.Duration.Seconds(), 3),
		Verdict:         judgement.Verdict, Reason: judgement.Reason, Confidence: traffic.Confidence,
		Counts:       map[string]int{},
		Subsets:      []Subset{},
		Unattributed: tally.Unattributed(),
		Failed:       tally.Failed(),
		Failures:     map[string]int{},
		Capped:       tally.Capped(),

		FailureExamples: map[string]string{},
		Latency: Latency{
			P50: milliseconds(latencies[0]), P90: milliseconds(latencies[1]),
			P99: milliseconds(latencies[2]), Max: milliseconds(latencies[3]),
		},
	}
	for _, s := range judgement.Subsets {
		subset := Subset{
			Subset: s.Subset, ExpectedPercent: round(100*s.Probability, 2), Answers: s.Answers,
			Lower: s.Lower, Upper: s.Upper, Within: s.Within, Failed: s.Failed,
		}
		if judgement.Answers > 0 {
			subset.Percent = round(100*float64(s.Answers)/float64(judgement.Answers), 2)
		}
		r.Subsets = append(r.Subsets, subset)
		r.Counts[s.Subset] = s.Answers
	}
	for class, failed := range tally.Failures() {
		r.Failures[class] = failed.Count
		if failed.Example != nil {
			r.FailureExamples[class] = failed.Example.Error()
		}
	}
	return r
}

// JSON writes the report as one indented object.
func (r Report) JSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

func milliseconds(d time.Duration) float64 { return round(float64(d)/float64(time.Millisecond), 3) }

func round(value float64, decimals int) float64 {
	factor := math.Pow10(decimals)
	return math.Round(value*factor) / factor
}
