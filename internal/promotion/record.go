// Package promotion walks a release through its steps by ordinary updates of the stack,
// judges it by every request, and takes it back when it is sick.
package promotion

import (
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"canary/internal/config"
	"canary/internal/envoy"
	"canary/internal/prometheus"
	"canary/internal/stack"
)

// Key is the key of the stack's configuration that holds the Record. Pulumi keeps the
// configuration of every update in the stack's history, so that any machine with the stack
// finds a promotion that was interrupted.
const Key = "promotion"

// Plan is what a promotion is to do.
type Plan struct {
	// Image is what the canary gets, and stable after it.
	Image string `json:"image"`
	// Steps are the weights of the canary, ascending, the last one 100. With 0, as the first,
	// the canary is judged on copies of the requests.
	Steps []string `json:"steps"`
	// Bake is how long each step is held at least; with 0 none is, and nothing is judged.
	Bake Duration `json:"bake"`
	// MaxHold is how much longer a step is held while the counts do not tell yet.
	MaxHold Duration `json:"maxHold"`
	// MaxFailures is by how much the canary's share of failures may be larger than stable's,
	// and MaxSlowdown the same for requests slower than SlowAfter; with 0 slowness is not
	// judged. Confidence is how sure all verdicts together have to be.
	MaxFailures float64 `json:"maxFailures"`
	MaxSlowdown float64 `json:"maxSlowdown"`
	Confidence  float64 `json:"confidence"`
	// SlowAfter is what a request may take: one of envoy.Bounds, or 0 for what it took stable
	// before the first step in all but one of a hundred requests.
	SlowAfter Duration `json:"slowAfter,omitzero"`
	// Failures are the statuses that count as failures; none is what a proxy itself takes for
	// one: 500 and above, and no answer.
	Failures envoy.Failing `json:"failures,omitempty"`
	// KeepCanary leaves the canary's pods when they are not needed any more.
	KeepCanary bool `json:"keepCanary"`
	// Prometheus counts the requests; nil is that they are counted at the proxies.
	Prometheus *prometheus.Source `json:"prometheus,omitempty"`
	// Manual is that a person is waited for before each step.
	Manual bool `json:"manual,omitempty"`
}

// Problems are what is wrong with a plan, in words.
func (p Plan) Problems() []string {
	var problems []string
	refuse := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if p.Image == "" || strings.ContainsAny(p.Image, " \t\n") {
		refuse("--image is %q, allowed is an image reference with a tag or a digest", p.Image)
	}
	before := config.Weight(-1)
	for _, step := range p.Steps {
		weight, err := config.ParseWeight(step)
		if err != nil || weight <= before {
			refuse("--steps has %q, allowed are percentages with at most two decimals, each larger than the one before", step)
			break
		}
		before = weight
	}
	if len(p.Steps) == 0 || p.Steps[len(p.Steps)-1] != "100" {
		refuse("--steps is %q, and has to end with 100: stable takes the image over while the canary serves everything", strings.Join(p.Steps, ","))
	}
	if p.Bake < 0 || p.MaxHold < 0 {
		refuse("--bake is %v and --max-hold %v, allowed are times of 0 and above, such as 2m", p.Bake, p.MaxHold)
	}
	if !(p.MaxFailures > 0 && p.MaxFailures < 1) {
		refuse("--max-failures is %v, allowed is a share above 0 and below 1, such as 0.01", p.MaxFailures)
	}
	if !(p.MaxSlowdown >= 0 && p.MaxSlowdown < 1) {
		refuse("--max-slowdown is %v, allowed is a share of 0 to below 1, such as 0.05; 0 is that slowness is not judged", p.MaxSlowdown)
	}
	if !slices.Contains(slownesses(), p.SlowAfter) {
		refuse("--slow-after is %v, allowed are the bounds of Envoy's statistics: %s; or nothing", p.SlowAfter, join(slownesses()[1:]))
	}
	if !(p.Confidence >= 0.5 && p.Confidence < 1) {
		refuse("--confidence is %v, allowed is 0.5 to below 1, such as 0.99", p.Confidence)
	}
	if problem := p.Failures.Problem(); problem != "" {
		refuse("--failures has %s", problem)
	}
	if p.Prometheus != nil {
		problems = append(problems, p.Prometheus.Problems()...)
	}
	return problems
}

// slownesses are the values of Plan.SlowAfter.
func slownesses() []Duration {
	allowed := []Duration{0}
	for _, bound := range envoy.Bounds {
		allowed = append(allowed, milliseconds(bound))
	}
	return allowed
}

func join(durations []Duration) string {
	words := make([]string, len(durations))
	for i, d := range durations {
		words[i] = d.String()
	}
	return strings.Join(words, ", ")
}

// Record is a promotion as the stack's configuration has it.
type Record struct {
	Plan
	// ID tells the promotion from all others, and By who runs it and where.
	ID string `json:"id"`
	By Runner `json:"by"`
	// Begun is when it began.
	Begun time.Time `json:"begun"`
	// Stage is the number of the stage that the update was for, from 0.
	Stage int `json:"stage"`
	// Gated is that a gate is asked. Its URL may hold secrets, and is not kept.
	Gated bool `json:"gated,omitempty"`
	// Judged are the steps whose bake is over.
	Judged []Judged `json:"judged,omitempty"`
	// Interrupted is who ran it before, until an update of its new runner is recorded.
	Interrupted Runner `json:"-"`
	// Failed is why the canary was taken back; "" is not.
	Failed string `json:"failed,omitempty"`
}

// Judged is what was seen of a step.
type Judged struct {
	Weight  string  `json:"weight"`
	Seconds float64 `json:"seconds"`
	Seen
	// Samples are some of the readings; what they count is the step's alone.
	Samples []Sample `json:"samples,omitempty"`
}

// String is the record as JSON.
func (r Record) String() string {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // numbers, words and times
	}
	return string(text)
}

// ParseRecord reads what String wrote; nil means that there is none.
func ParseRecord(text string) (*Record, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // the absence of a record is no error
	}
	r := new(Record)
	if err := json.Unmarshal([]byte(text), r); err != nil {
		return nil, fmt.Errorf("the stack's configuration %s is not what `canary promote` wrote (%w): `canary rollback` removes it", Key, err)
	}
	return r, nil
}

// UnderWay reports whether somebody may go on with the promotion.
func (r *Record) UnderWay() bool { return r != nil && r.Failed == "" }

// judged adds a step, in place of an earlier try of the same.
func (r *Record) judged(step Judged) {
	r.Judged = slices.DeleteFunc(r.Judged, func(j Judged) bool { return j.Weight == step.Weight })
	r.Judged = append(r.Judged, step)
}

// Runner is the process that runs a promotion.
type Runner struct {
	User    string `json:"user"`
	Host    string `json:"host"`
	Process int    `json:"process"`
}

// Me is this process.
func Me() Runner {
	r := Runner{Process: os.Getpid()}
	if u, err := user.Current(); err == nil {
		r.User = u.Username
	}
	r.Host, _ = os.Hostname()
	return r
}

func (r Runner) String() string {
	return fmt.Sprintf("%s on %s (process %d)", r.User, r.Host, r.Process)
}

// Runs reports whether the process runs on this machine; of another one that is not known.
func (r Runner) Runs() bool {
	_, runs := stack.Running(r.Host, r.Process)
	return runs && r.Process != os.Getpid()
}

// Gone reports whether the process was on this machine, and has ended.
func (r Runner) Gone() bool {
	here, runs := stack.Running(r.Host, r.Process)
	return here && !runs
}

// Duration is a time that is written as "2m0s".
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText is String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}
