package traffic

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"
)

// Tally adds results up. The zero value is ready; it is not for concurrent use.
type Tally struct {
	requests     int
	failed       int
	capped       int
	unattributed int
	bySubset     map[string]*Count
	byFailure    map[string]*Failed
	latencies    []time.Duration
}

// Count is what one subset answered.
type Count struct {
	Answers int // with the subset's name in them, whatever the status
	Failed  int // of these, with a status that makes a request fail
}

// Failed is one class of failed requests.
type Failed struct {
	Count   int
	Example error // of one of them; nil when the class is a status
}

// Add counts one result.
func (t *Tally) Add(r Result) {
	if t.bySubset == nil {
		t.bySubset, t.byFailure = map[string]*Count{}, map[string]*Failed{}
	}
	t.requests++
	if r.Capped {
		t.capped++
	}
	if r.Answered() {
		t.latencies = append(t.latencies, r.Latency)
	}
	failure := r.Failure()
	if failure != "" {
		t.failed++
		class := entry(t.byFailure, failure)
		class.Count++
		if class.Example == nil {
			class.Example = r.Err
		}
	}
	switch {
	case r.Subset != "":
		count := entry(t.bySubset, r.Subset)
		count.Answers++
		if failure != "" {
			count.Failed++
		}
	case failure == "":
		t.unattributed++
	}
}

func entry[V any](m map[string]*V, key string) *V {
	if m[key] == nil {
		m[key] = new(V)
	}
	return m[key]
}

// Requests is the number of results.
func (t *Tally) Requests() int { return t.requests }

// Failed is the number of failed requests.
func (t *Tally) Failed() int { return t.failed }

// Capped is the number of requests that were held up by the in-flight cap.
func (t *Tally) Capped() int { return t.capped }

// Unattributed is the number of good answers that do not say their subset.
func (t *Tally) Unattributed() int { return t.unattributed }

// Count is what a subset answered.
func (t *Tally) Count(subset string) Count {
	if count := t.bySubset[subset]; count != nil {
		return *count
	}
	return Count{}
}

// Failures is the failed requests by class (see Result.Failure).
func (t *Tally) Failures() map[string]Failed {
	failures := make(map[string]Failed, len(t.byFailure))
	for class, failed := range t.byFailure {
		failures[class] = *failed
	}
	return failures
}

// Latencies gives percentiles (0 to 100, nearest rank) of the latency of all
// requests that were answered, whatever the status; zeros when none was.
func (t *Tally) Latencies(percentiles ...float64) []time.Duration {
	result := make([]time.Duration, len(percentiles))
	if len(t.latencies) == 0 {
		return result
	}
	sorted := make([]float64, len(t.latencies))
	for i, latency := range t.latencies {
		sorted[i] = float64(latency)
	}
	slices.Sort(sorted)
	for i, percentile := range percentiles {
		result[i] = time.Duration(stat.Quantile(percentile/100, stat.Empirical, sorted, nil))
	}
	return result
}

// Verdict says whether counts fit a split.
type Verdict string

// The verdicts; the texts are part of the JSON output.
const (
	Within     Verdict = "within"
	Outside    Verdict = "outside"
	CannotTell Verdict = "cannot tell"
)

// SubsetJudgement compares what a subset answered with its share.
type SubsetJudgement struct {
	Subset string
	Count
	Probability  float64 // by the split, 0 to 1
	Lower, Upper int     // of Answers, out of all answers that name a subset
	Within       bool
}

// Judgement is the comparison of counts with a split.
type Judgement struct {
	Verdict Verdict
	Reason  string // of CannotTell
	Answers int    // that name a subset
	Subsets []SubsetJudgement
}

// Judge compares the answers that name their subset with the split, at
// Confidence. The subsets come in the order of the split, then unknown ones by
// name. Answers that failed count too when they name their subset: the split
// is about where a request went. It cannot tell when good answers do not name
// their subset, since leaving out part of the answers may bias the rest.
func (t *Tally) Judge(split Split) Judgement {
	var j Judgement
	names := make([]string, 0, len(split))
	for _, share := range split {
		names = append(names, share.Subset)
	}
	for _, name := range slices.Sorted(maps.Keys(t.bySubset)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		j.Answers += t.Count(name).Answers
	}
	j.Verdict = Within
	for _, name := range names {
		s := SubsetJudgement{Subset: name, Count: t.Count(name), Probability: split.Probability(name)}
		s.Lower, s.Upper = Bound(j.Answers, s.Probability, Confidence)
		s.Within = s.Lower <= s.Answers && s.Answers <= s.Upper
		if !s.Within {
			j.Verdict = Outside
		}
		j.Subsets = append(j.Subsets, s)
	}
	switch {
	case t.unattributed > 0:
		j.Verdict = CannotTell
		j.Reason = fmt.Sprintf("%d of %d answers do not say which subset they come from: the proxy that routes them names it in a header, as the stack's VirtualService tells it to; `pulumi up` writes it as the stack has it", t.unattributed, len(t.latencies))
	case j.Answers == 0:
		j.Verdict = CannotTell
		j.Reason = "no answer says which subset it comes from"
	}
	return j
}
