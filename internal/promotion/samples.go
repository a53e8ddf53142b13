package promotion

import (
	"encoding/json"
	"math"

	"canary/internal/judge"
)

// mostSamples is how many readings of a step are kept at most, and mostOfAll of all steps
// together: the record is in the stack's configuration, and that has to stay small.
const (
	mostSamples = 60
	mostOfAll   = 600
)

// Sample is a reading of a step: what both subsets had counted so many seconds after the
// step's update.
type Sample struct {
	Seconds        float64
	Stable, Canary judge.Counts
}

// MarshalJSON writes the numbers alone.
func (s Sample) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{math.Round(10*s.Seconds) / 10, s.Stable.Requests, s.Stable.Failures, s.Canary.Requests, s.Canary.Failures})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Sample) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&s.Seconds, &s.Stable.Requests, &s.Stable.Failures, &s.Canary.Requests, &s.Canary.Failures})
}

// samples are readings of a step, spread over all of it.
type samples struct {
	most  int
	every float64 // seconds
	kept  []Sample
}

func newSamples(steps int) *samples {
	return &samples{most: max(2, min(mostSamples, mostOfAll/steps)), every: 1}
}

// add keeps a reading, unless one is kept that is almost as new. When there are too many,
// every other goes.
func (s *samples) add(sample Sample) {
	if n := len(s.kept); n > 0 && sample.Seconds < s.kept[n-1].Seconds+s.every {
		return
	}
	if len(s.kept) == s.most {
		var half []Sample // those that were handed out stay as they are
		for i := 0; i < s.most; i += 2 {
			half = append(half, s.kept[i])
		}
		s.kept, s.every = half, 2*s.every
	}
	s.kept = append(s.kept, sample)
}
