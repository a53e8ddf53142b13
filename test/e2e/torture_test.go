//go:build e2e && faults

package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/release"
	"canary/internal/traffic"
	"canary/test/e2e/harness"
	"canary/test/load"
	"canary/test/torture"
)

const (
	tortureRate = 50 // requests a second by each path
	// tortureTimeout is above what a request takes while two processors have more to do than they can.
	tortureTimeout = 20 * time.Second
)

// TestTorture draws faults from a seed, one after the other, under load, lets `make up` bring back what the configuration says
// after each, and checks what must hold whatever happened. It goes on after what did not, and fails at its end.
//
// TORTURE_MINUTES is how long it begins new faults (120), TORTURE_SEED the seed (any one), TORTURE_REPORT a file that the result
// is written to after each fault.
func TestTorture(t *testing.T) {
	minutes := numberFrom(t, "TORTURE_MINUTES", 120)
	x := &torturing{begin: time.Now(), seed: numberFrom(t, "TORTURE_SEED", uint64(rand.Uint32())), images: harness.LoadImages(t, "a", "b")}
	t.Logf("TORTURE_SEED=%d TORTURE_MINUTES=%d", x.seed, minutes)
	x.Project = harness.NewLoadStack(t, x.images)
	t.Cleanup(func() { selectStack(t, x.Project) })
	x.SetAll(t, fmt.Sprintf("agents=%d", len(agents)), "stableReplicas=2", "canaryReplicas=2")
	x.Up(t)

	var kinds []torture.Kind
	for _, f := range tortures {
		kinds = append(kinds, f.Kind)
	}
	sequence := torture.NewSequence(x.seed, kinds, len(agents), "a", "b")
	defer x.write(t)
	for time.Since(x.begin) < time.Duration(minutes)*time.Minute {
		x.suffer(t, sequence.Next())
		x.write(t)
	}
	if !t.Run("destroy", func(t *testing.T) {
		selectStack(t, x.Project)
		x.Destroy(t)
		x.VerifyNothingLeft(t)
	}) {
		x.find(t, "destroy at the end", "it did not end well: see the log")
	}
	if len(x.findings) > 0 {
		t.Errorf("seed %d: %d findings:\n%s", x.seed, len(x.findings), strings.Join(x.findings, "\n"))
	}
}

func numberFrom(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	number, err := strconv.ParseUint(cmp.Or(os.Getenv(variable), fmt.Sprint(otherwise)), 10, 64)
	require.NoError(t, err, variable)
	return number
}

// torturing notes what was done to a stack, and what did not hold.
type torturing struct {
	*harness.Project
	images   map[string]string // by tag
	begin    time.Time
	seed     uint64
	steps    int
	suffered []*suffered // by the steps that ended
	findings []string
}

// suffered is what a fault did to the requests, by path.
type suffered struct {
	kind         string
	requests     map[string]int
	lost, grants map[string]int
}

func (x *torturing) find(t *testing.T, where, format string, args ...any) {
	t.Helper()
	finding := where + ": " + fmt.Sprintf(format, args...)
	t.Logf("FINDING: %s", finding)
	x.findings = append(x.findings, finding)
}

// suffer does a step. After one that did not end the stack is made anew.
func (x *torturing) suffer(t *testing.T, step torture.Step) {
	t.Helper()
	f := tortures[slices.IndexFunc(tortures, func(f tortureFault) bool { return f.Name == step.Kind })]
	x.steps++
	found := len(x.findings)
	if t.Run(fmt.Sprintf("%d %s", step.Number, step.Kind), func(t *testing.T) { x.step(t, step, f) }) {
		return
	}
	if len(x.findings) == found {
		x.find(t, step.String(), "it did not end: see the log of step %d", step.Number)
	}
	if !t.Run(fmt.Sprintf("%d made anew", step.Number), func(t *testing.T) {
		t.Log(x.AttemptCommand(t, "canary", "status", "--stack", x.Stack).All)
		x.remake(t, step)
	}) {
		x.find(t, step.String(), "and the stack could not be made anew")
		t.FailNow()
	}
}

// step is a fault and its recovery, under load.
func (x *torturing) step(t *testing.T, step torture.Step, f tortureFault) {
	t.Log(step)
	if f.unloaded != nil {
		f.unloaded(t, x, step)
	}
	s := &scene{step: step, granted: map[string]float64{}}
	s.LoadRun = x.StartLoad(t, x.images["a"], load.Target{
		Rate: tortureRate, Timeout: tortureTimeout,
		Node: x.Node(agents[(step.Agent+1)%len(agents)]), // a step takes another one away
	})
	odd := s.watchSplit(t, f)
	if step.New != step.Old {
		x.configure(t, step.New)
	}
	if f.do != nil {
		s.Step(f.Name, func() { f.do(t, s) })
	}
	s.Step("make up", func() {
		made := x.MakeUp(t)
		t.Logf("make up: exit code %d after %.1f s\n%s", made.Code, made.Took.Seconds(), harness.LastLines(made.All, 12))
		if made.Code != 0 {
			x.find(t, step.String(), "`make up` failed after it:\n%s", harness.LastLines(made.All, 60))
			t.Fatal(load.Describe(s.Journal.Lost(), 20))
		}
	})
	for _, what := range odd() {
		x.find(t, step.String(), "meanwhile %s", what)
	}
	recovered := time.Now()
	whole(t, s.Client)
	calm := x.requireNew(t, s)
	s.Finish(max(0, tortureTimeout-time.Since(recovered)))
	x.count(t, s, calm)
}

// watchSplit reads the VirtualService until odd gives what it had that a step does not allow.
func (s *scene) watchSplit(t *testing.T, f tortureFault) (odd func() []string) {
	t.Helper()
	const pause = 100 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	seen := make(chan []string, 1)
	go func() {
		var found []string
		defer func() { seen <- found }()
		for ctx.Err() == nil {
			what := ""
			switch split, err := release.LiveSplit(ctx, s.Client, release.App{Namespace: harness.AppName, Name: harness.AppName}); {
			case err == nil && !f.allows(split, s.step):
				what = "the split was " + split.String()
			case errors.Is(err, release.ErrNoSplit), err != nil && strings.HasSuffix(err.Error(), strconv.Quote(harness.AppName)+" not found"):
				what = err.Error()
			}
			// With another error the API server is away, or does not know all of its kinds yet.
			if what != "" && !slices.Contains(found, what) {
				found = append(found, what)
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}()
	return func() []string { cancel(); return <-seen }
}

func (x *torturing) configure(t *testing.T, r torture.Release) {
	t.Helper()
	x.SetAll(t, fmt.Sprintf("canaryWeight=%d", r.Weight), "canaryImage="+x.images[r.Image])
}

// requireNew notes what is not as the configuration says, now that all of it is ready, and since when requests count for that.
func (x *torturing) requireNew(t *testing.T, s *scene) (since time.Time) {
	t.Helper()
	var output release.Split
	require.NoError(t, json.Unmarshal([]byte(x.Output(t, "split")), &output))
	want := splitOf(s.step.New.Weight)
	if !output.Equal(want) {
		x.find(t, s.step.String(), "the output split is %s", output)
	}
	if status := x.AttemptCommand(t, "canary", "status", "--stack", x.Stack); status.Code != 0 {
		x.find(t, s.step.String(), "`canary status` has exit code %d although all is ready:\n%s", status.Code, status.All)
	}

	s.Step("all is ready")
	since = time.Now()
	const enough = 300
	s.Sent(enough)
	for _, source := range paths {
		judged := s.judge(source, since, want)
		if judged.Verdict != traffic.Within { // one of 10000 is by chance
			again := time.Now()
			s.Sent(enough)
			judged = s.judge(source, again, want)
		}
		if judged.Verdict != traffic.Within {
			x.find(t, s.step.String(), "by %s the answers do not fit the split %s, twice: %+v", source, want, judged)
		}
	}
	return since
}

var paths = []string{load.Ingress, load.Mesh}

// judge compares the answers to requests that were sent since a time with a split.
func (s *scene) judge(source string, since time.Time, want release.Split) traffic.Judgement {
	var tally traffic.Tally
	for _, r := range s.Journal.Records() {
		if r.Source == source && r.Began().After(since) && r.Failure == "" {
			tally.Add(traffic.Result{Status: r.Status, Subset: r.Subset})
		}
	}
	return tally.Judge(traffic.Split{{Subset: release.Stable, Weight: int64(want.Stable)}, {Subset: release.Canary, Weight: int64(want.Canary)}})
}

// count notes the requests of a step, and those that were lost beyond what was granted or after the step was over.
func (x *torturing) count(t *testing.T, s *scene, calm time.Time) {
	t.Helper()
	step := &suffered{kind: s.step.Kind, requests: map[string]int{}, lost: map[string]int{}, grants: map[string]int{}}
	lost := s.Journal.Lost()
	t.Logf("\n%s\n%s", load.Table(s.Journal.Count()), load.Describe(lost, 20))
	var late []load.Lost
	of := map[string][]load.Lost{}
	for _, l := range lost {
		of[l.Source] = append(of[l.Source], l)
		if l.Began().After(calm) {
			late = append(late, l)
		}
	}
	for _, source := range paths {
		step.requests[source] = s.Journal.Requests(source)
		step.lost[source] = len(of[source])
		step.grants[source] = int(math.Ceil(s.granted[source]))
		if step.lost[source] > step.grants[source] {
			x.find(t, s.step.String(), "%d requests by %s failed, and %d are granted:\n%s", step.lost[source], source, step.grants[source], load.Describe(of[source], 20))
		}
	}
	if len(late) > 0 {
		x.find(t, s.step.String(), "%d requests failed when all was ready again:\n%s", len(late), load.Describe(late, 20))
	}
	x.suffered = append(x.suffered, step)
}

// remake destroys the stack and makes it anew, to serve what a step came to.
func (x *torturing) remake(t *testing.T, step torture.Step) {
	t.Helper()
	selectStack(t, x.Project)
	x.Destroy(t)
	x.VerifyNothingLeft(t)
	x.configure(t, step.New)
	made := x.MakeUp(t)
	require.Zero(t, made.Code, made.All)
}
