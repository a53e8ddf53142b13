package load

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Journal holds everything of one run: the records of all sources, the steps, and what Envoy logged.
type Journal struct {
	mu      sync.Mutex
	records []Record
	steps   []Step
	envoy   []EnvoyLine
}

// Step is a part of the run with a name. Every moment belongs to one step: a step ends when the next one begins.
type Step struct {
	Name  string
	Begin time.Time
	End   time.Time // zero: the last one
}

// Begin starts a step, and ends the one before.
func (j *Journal) Begin(name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	if n := len(j.steps); n > 0 {
		j.steps[n-1].End = now
	}
	j.steps = append(j.steps, Step{Name: name, Begin: now})
}

// End ends the last step.
func (j *Journal) End() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := len(j.steps); n > 0 {
		j.steps[n-1].End = time.Now()
	}
}

// Add gives a function that takes the records of a source.
func (j *Journal) Add(source string) func(Record) {
	return func(r Record) {
		r.Source = source
		j.mu.Lock()
		defer j.mu.Unlock()
		j.records = append(j.records, r)
	}
}

// AddEnvoy takes a line of a proxy's access log.
func (j *Journal) AddEnvoy(l EnvoyLine) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.envoy = append(j.envoy, l)
}

// Requests is how many requests of a source ("" is all) have a record.
func (j *Journal) Requests(source string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, r := range j.records {
		if source == "" || r.Source == source {
			n++
		}
	}
	return n
}

// Records is a copy of the records in the order in which they ended.
func (j *Journal) Records() []Record {
	j.mu.Lock()
	records := slices.Clone(j.records)
	j.mu.Unlock()
	slices.SortStableFunc(records, func(a, b Record) int { return a.Ended().Compare(b.Ended()) })
	return records
}

// Lost is one failed request with what is known about it.
type Lost struct {
	Record
	Step  string // under way when it failed
	Envoy []EnvoyLine
}

// Lost lists the requests that failed.
func (j *Journal) Lost() []Lost {
	var lost []Lost
	for _, r := range j.Records() {
		if r.Failure == "" {
			continue
		}
		lost = append(lost, Lost{Record: r, Step: j.stepAt(r.Ended()), Envoy: j.envoyOf(r)})
	}
	return lost
}

func (j *Journal) stepAt(at time.Time) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	name := "before the first step"
	for _, s := range j.steps {
		if !at.Before(s.Begin) {
			name = s.Name
		}
	}
	return name
}

// envoyOf finds the lines about a request. Its identity differs at each hop, so it is found by time and path: of each
// proxy on its way, the line that began nearest to when it was sent.
func (j *Journal) envoyOf(r Record) []EnvoyLine {
	const early, late = 5 * time.Millisecond, 50 * time.Millisecond
	path := r.Path
	if path == "" {
		path = "/"
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	nearest := map[string]EnvoyLine{}
	for _, l := range j.envoy {
		sent := l.Began.Sub(r.Began())
		if l.Path != path || sent < -early || sent > late || !onTheWay(l.Pod, r.Source) {
			continue
		}
		if old, ok := nearest[l.Pod]; !ok || sent.Abs() < old.Began.Sub(r.Began()).Abs() {
			nearest[l.Pod] = l
		}
	}
	return slices.SortedFunc(maps.Values(nearest), func(a, b EnvoyLine) int { return a.Began.Compare(b.Began) })
}

// onTheWay reports whether requests of a source pass the proxy of a pod, as namespace/name.
func onTheWay(pod, source string) bool {
	_, name, _ := strings.Cut(pod, "/")
	switch {
	case name == generatorPod:
		return source == Mesh
	case strings.Contains(name, "gateway"):
		return source == Ingress
	}
	return true
}

// StepCount is what happened in the steps of one name.
type StepCount struct {
	Name     string
	Times    int
	Took     time.Duration  // all of them together
	Requests map[string]int // by source, of those due in the step
	Long     int            // of these, long ones
	Failed   int            // that failed in the step, whenever they began
	P50, P99 time.Duration  // of the short requests that did not fail
	Max      time.Duration
}

// Count gives the numbers of the steps, those of the same name together, in the order in which they first came.
func (j *Journal) Count() []StepCount {
	records := j.Records()
	j.mu.Lock()
	steps := slices.Clone(j.steps)
	j.mu.Unlock()
	var counts []StepCount
	rows := make([]int, len(steps)) // of counts, by step
	for i, s := range steps {
		row := slices.IndexFunc(counts, func(c StepCount) bool { return c.Name == s.Name })
		if row < 0 {
			row = len(counts)
			counts = append(counts, StepCount{Name: s.Name, Requests: map[string]int{}})
		}
		rows[i] = row
		counts[row].Times++
		counts[row].Took += s.End.Sub(s.Begin)
	}
	if len(steps) == 0 {
		return nil
	}
	rowAt := func(t time.Time) int {
		after, _ := slices.BinarySearchFunc(steps, t, func(s Step, t time.Time) int {
			if s.Begin.After(t) {
				return 1
			}
			return -1
		})
		return rows[max(after-1, 0)]
	}
	latencies := make([][]time.Duration, len(counts))
	for _, r := range records {
		row := rowAt(r.Began())
		counts[row].Requests[r.Source]++
		if r.Kind() == Long {
			counts[row].Long++
		}
		if r.Failure != "" {
			counts[rowAt(r.Ended())].Failed++
		} else if r.Kind() == Short {
			latencies[row] = append(latencies[row], time.Duration(r.Latency)*time.Microsecond)
		}
	}
	for row, l := range latencies {
		if len(l) == 0 {
			continue
		}
		slices.Sort(l)
		counts[row].P50, counts[row].P99, counts[row].Max = l[len(l)/2], l[len(l)*99/100], l[len(l)-1]
	}
	return counts
}

// LastBegin is when the youngest of the requests that have a record was due.
func (j *Journal) LastBegin() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	var last int64
	for _, r := range j.records {
		last = max(last, r.Start)
	}
	return time.UnixMicro(last)
}
