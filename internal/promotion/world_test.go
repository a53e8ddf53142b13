package promotion

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/envoy"
	"canary/internal/judge"
	"canary/internal/meter"
	"canary/internal/release"
	"canary/internal/stack"
)

// world is a stack and its cluster. Each update writes the split at once; the canary gets
// its share of 100 requests a second, and fails as sick says.
type world struct {
	settings map[string]stack.Value
	history  []map[string]stack.Value
	messages []string
	refuse   map[string]error // by the weight of an update
	onUpdate func()
	// recordRefused is whether the history has updates that were refused, as Pulumi's has.
	recordRefused bool
	locked        bool // by an update

	inForce   release.Split
	writeErr  error
	beginErr  error
	noPods    bool
	sick      func(requests uint64) uint64 // the canary's failures
	timed     uint64                       // requests to stable before the first step, of which one in 200 is slow
	lately    envoy.Times                  // of these, those since the promotion began
	slow      bool                         // every answer of the canary takes longer than any of stable's
	silent    bool                         // no requests
	copied    bool                         // the canary gets a copy of every request, beside its own
	doubts    []string
	since     time.Time
	order     string
	mu        sync.Mutex // of what follows, which several goroutines tell
	said      []string
	events    []Event
	notices   []Notice
	interrupt func(w *world)
}

func (w *world) Settings(context.Context) (map[string]stack.Value, error) {
	return maps.Clone(w.settings), nil
}

func (w *world) Update(ctx context.Context, change stack.Change, message string, _ func(string)) error {
	maps.Copy(w.settings, change.Set)
	for _, key := range change.Remove {
		delete(w.settings, key)
	}
	if w.locked {
		return &stack.LockedError{By: "by ann"}
	}
	w.locked = true
	defer func() {
		time.Sleep(time.Second) // the rest of the update
		w.locked = false
	}()
	w.messages = append(w.messages, message)
	if w.onUpdate != nil {
		w.onUpdate()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	weight := w.settings["canaryWeight"].Text
	if err := w.refuse[weight]; err != nil {
		if w.recordRefused {
			w.history = append(w.history, maps.Clone(w.settings))
		}
		return err
	}
	inForce, err := split(weight)
	if err != nil {
		return err
	}
	w.inForce = inForce
	w.history = append(w.history, maps.Clone(w.settings))
	return nil
}

func (w *world) Last(context.Context) (map[string]stack.Value, bool, error) {
	if len(w.history) == 0 {
		return nil, false, nil
	}
	return w.history[len(w.history)-1], true, nil
}

func (w *world) Split(context.Context) (release.Split, error) { return w.inForce, nil }

func (w *world) Write(_ context.Context, split release.Split) error {
	if w.writeErr == nil {
		w.inForce = split
	}
	return w.writeErr
}

func (w *world) Begin(ctx context.Context) (meter.Reading, error) {
	w.since = time.Now()
	if w.beginErr != nil {
		return meter.Reading{}, w.beginErr
	}
	return w.Read(ctx)
}

func (w *world) Read(ctx context.Context) (meter.Reading, error) {
	if w.interrupt != nil {
		w.interrupt(w)
	}
	if w.silent {
		return meter.Reading{Doubts: w.doubts}, ctx.Err()
	}
	total := uint64(100 * time.Since(w.since).Seconds())
	canary := total * uint64(w.inForce.Canary) / uint64(w.inForce.Canary+w.inForce.Stable)
	stable := total - canary
	if w.copied {
		canary += total
	}
	r := meter.Reading{Stable: judge.Counts{Requests: stable}, Canary: judge.Counts{Requests: canary}, Doubts: w.doubts}
	if w.sick != nil {
		r.Canary.Failures = w.sick(canary)
	}
	if w.timed > 0 {
		r.Before, r.Lately = envoy.Times{5: w.timed - w.timed/200, 100: w.timed / 200}, w.lately
		r.Times = map[string]envoy.Times{release.Stable: {5: stable}, release.Canary: {5: canary}}
		if w.slow {
			r.Times[release.Canary] = envoy.Times{250: canary}
		}
	}
	return r, ctx.Err()
}

func (w *world) CanaryReady(context.Context) (int, error) {
	if w.noPods {
		return 0, nil
	}
	return 1, nil
}

func (w *world) Describe(context.Context) []string {
	return []string{"pod canary-1: not ready, 2 restarts"}
}

func (w *world) Order(context.Context) (string, error) { return w.order, nil }

func (w *world) WriteOrder(_ context.Context, order string) error {
	w.order = order
	return nil
}

func newWorld() *world {
	return &world{
		settings: map[string]stack.Value{"stableImage": {Text: "shop:1"}, "canaryWeight": {Text: "0"}},
		refuse:   map[string]error{}, inForce: release.Split{Stable: 100},
	}
}

func (w *world) promotion() *Promotion {
	return &Promotion{
		Stack: w, Cluster: w, Now: time.Now,
		Say:   func(line string) { w.mu.Lock(); defer w.mu.Unlock(); w.said = append(w.said, line) },
		Event: func(e Event) { w.mu.Lock(); defer w.mu.Unlock(); w.events = append(w.events, e) },
		App:   "shop/web",
		Tell:  func(n Notice) { w.mu.Lock(); defer w.mu.Unlock(); w.notices = append(w.notices, n) },
	}
}

func begin() *Record {
	return &Record{
		Plan: Plan{
			Image: "shop:2", Steps: []string{"5", "50", "100"}, Bake: Duration(30 * time.Second), MaxHold: Duration(5 * time.Minute),
			MaxFailures: 0.02, Confidence: 0.99,
		},
		ID: "a", By: Me(),
	}
}

// promote runs a record to its end.
func (w *world) promote(t *testing.T, ctx context.Context, record *Record, resumed bool) error { //nolint:revive // the test comes first
	t.Helper()
	stages, err := Stages(record.Plan, w.settings)
	require.NoError(t, err)
	return w.promotion().Run(ctx, record, stages, resumed)
}
