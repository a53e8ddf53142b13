package promotion

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"canary/internal/release"
	"canary/internal/stack"
)

// at does something so long after the beginning.
func (w *world) at(after time.Duration, do func()) { time.AfterFunc(after, do) }

func (w *world) give(t *testing.T, record *Record, word Word) {
	t.Helper()
	assert.NoError(t, Give(t.Context(), w, record, word, time.Now()))
}

func (w *world) log() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.said, "\n")
}

// told is what programs elsewhere were told: what, and of which weight.
func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var told []string
	for _, notice := range w.notices {
		told = append(told, notice.What+" "+notice.Weight)
	}
	return told
}

// run promotes with what a promotion may have beside a world.
func (w *world) run(t *testing.T, record *Record, with func(*Promotion)) error {
	t.Helper()
	stages, err := Stages(record.Plan, w.settings)
	require.NoError(t, err)
	p := w.promotion()
	with(p)
	return p.Run(t.Context(), record, stages, false)
}

func nothing(*Promotion) {}

func TestNotices(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		require.NoError(t, w.run(t, begin(), nothing))
		require.Equal(t, []string{
			"began 0", "done 0", "done 5", "passed 5", "done 50", "passed 50", "done 100", "passed 100", "done 100", "done 0", "promoted 0",
		}, w.told())
		require.Equal(t, "shop/web, shop:2: begins; the canary gets 5, 50, 100 % of the requests, and is judged for 30s each time", w.notices[0].Text)
		require.Contains(t, w.notices[3].Text, "shop/web, shop:2: passed at 5 % after 65 s: stable 0 of 6270 failed, canary 0 of 330 failed; ")
		require.NotNil(t, w.notices[3].Seen)

		w = newWorld()
		w.sick = func(requests uint64) uint64 { return requests }
		require.Error(t, w.run(t, begin(), nothing))
		last := w.notices[len(w.notices)-1]
		require.Equal(t, TakenBack, last.What)
		require.Contains(t, last.Reason, "at 5 % the canary fails more than it may: stable ")
		require.NotContains(t, last.Text, "pod canary-1", "what the pods say stays here")
	})
}

func TestGate(t *testing.T) {
	t.Parallel()
	freeze := errors.New("https://gate.example.com said 403 Forbidden: change freeze")
	for _, tc := range []struct {
		name   string
		answer func(question Notice, since time.Duration) error
		world  func(*world)
		want   string // of the error
		said   string
		asked  []string
	}{
		{
			name: "lets go on", answer: func(Notice, time.Duration) error { return nil },
			asked: []string{"before step 5", "after step 5", "before step 50", "after step 50", "before step 100", "after step 100"},
		},
		{
			name: "not at once", said: "    waits: the gate does not let it go on: " + freeze.Error(),
			answer: func(question Notice, since time.Duration) error {
				if question.What == AfterStep && question.Weight == "5" && since < 73*time.Second {
					return freeze
				}
				return nil
			},
			asked: []string{"before step 5", "after step 5", "after step 5", "after step 5", "before step 50", "after step 50", "before step 100", "after step 100"},
		},
		{
			name: "never", answer: func(Notice, time.Duration) error { return freeze },
			want: "held at 0 %: within 5m0s the gate did not let it go on (before step: 5 % of the requests go to the canary): " + freeze.Error(),
		},
		{
			name: "sick meanwhile", want: "at 5 % the canary fails more than it may",
			answer: func(question Notice, _ time.Duration) error {
				if question.What == AfterStep {
					return freeze
				}
				return nil
			},
			world: func(w *world) {
				w.at(130*time.Second, func() { w.sick = func(requests uint64) uint64 { return requests } })
			},
		},
		{
			name: "split moved meanwhile", want: "somebody moved the split to stable 100 / canary 0 meanwhile",
			answer: func(question Notice, _ time.Duration) error {
				if question.What == AfterStep {
					return freeze
				}
				return nil
			},
			world: func(w *world) { w.at(130*time.Second, func() { w.inForce = release.Split{Stable: 1} }) },
		},
		{
			name: "hangs while the canary gets sick", want: "at 5 % the canary fails more than it may",
			answer: func(question Notice, _ time.Duration) error {
				if question.What == AfterStep {
					time.Sleep(9 * time.Second)
					return freeze
				}
				return nil
			},
			world: func(w *world) {
				w.at(69*time.Second, func() { w.sick = func(requests uint64) uint64 { return requests } })
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, since := newWorld(), time.Now()
				if tc.world != nil {
					tc.world(w)
				}
				var asked []string
				err := w.run(t, begin(), func(p *Promotion) {
					p.Gate = func(_ context.Context, question Notice) error {
						asked = append(asked, question.What+" "+question.Weight)
						return tc.answer(question, time.Since(since))
					}
				})
				if tc.want == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, tc.want)
				}
				require.Contains(t, w.log(), tc.said)
				if tc.asked != nil {
					require.Equal(t, tc.asked, asked)
				}
			})
		})
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, record, since := newWorld(), begin(), time.Now()
		w.at(10*time.Second, func() {
			w.give(t, record, Pause)
			time.Sleep(time.Second + readPause)
			assert.Contains(t, w.log(), "    waits: paused by "+Me().String()+": `canary promote --continue` goes on", "at once")
		})
		w.at(time.Hour, func() {
			assert.Equal(t, "95/5", w.inForce.Short())
			assert.Equal(t, []string{"began 0", "done 0", "done 5", "waits 5", "passed 5"}, w.told())
			w.give(t, record, Continue)
		})
		require.NoError(t, w.run(t, record, nothing))
		require.Greater(t, time.Since(since), time.Hour)
		require.Empty(t, w.order, "nothing is left behind")
	})
}

// What a pause takes is no part of --max-hold.
func TestPauseWithoutRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, record, since := newWorld(), begin(), time.Now()
		w.silent = true
		w.at(10*time.Second, func() { w.give(t, record, Pause) })
		w.at(time.Hour, func() { w.give(t, record, Continue) })
		require.ErrorContains(t, w.run(t, record, nothing), "the requests still do not tell")
		require.InDelta(t, (time.Hour + 5*time.Minute + 20*time.Second).Seconds(), time.Since(since).Seconds(), 5)
		require.Contains(t, w.log(), "    goes on, by "+Me().String())
	})
}

func TestManual(t *testing.T) {
	t.Parallel()
	type scene struct { // the world with a terminal
		*world
		*Record
		typed func(string)
	}
	yes := func(_ *testing.T, at scene) { at.typed(" Yes") }
	for _, tc := range []struct {
		name   string
		before func(t *testing.T, at scene)
		onWait []func(t *testing.T, at scene) // soon after the promotion waits for the nth time
		want   string
	}{
		{name: "typed", onWait: []func(*testing.T, scene){yes, yes, yes, yes}},
		{name: "told from elsewhere", onWait: slices.Repeat([]func(*testing.T, scene){func(t *testing.T, at scene) { at.give(t, at.Record, Continue) }}, 4)},
		{
			name: "an old word is no answer", want: "aborted by " + Me().String(),
			before: func(t *testing.T, at scene) { at.give(t, at.Record, Continue) },
			onWait: []func(*testing.T, scene){func(t *testing.T, at scene) {
				assert.Equal(t, []string{"began 0", "done 0", "waits 0"}, at.told())
				at.typed("n")
				at.typed("abort")
			}},
		},
		{name: "aborted at the terminal", want: "aborted by " + Me().String(), onWait: []func(*testing.T, scene){yes, func(_ *testing.T, at scene) { at.typed("a") }}},
		{name: "sick while nobody answers", want: "at 5 % the canary fails more than it may", onWait: []func(*testing.T, scene){yes, func(_ *testing.T, at scene) {
			at.sick = func(requests uint64) uint64 { return requests }
		}}},
		{name: "ended by somebody at 0 %", want: "an update of somebody else ended this promotion", onWait: []func(*testing.T, scene){func(_ *testing.T, at scene) {
			at.history = append(at.history, map[string]stack.Value{"canaryWeight": {Text: "0"}})
			at.typed("y")
		}}},
		{name: "aborted by somebody whose word did not come", want: "aborted by ann", onWait: []func(*testing.T, scene){func(_ *testing.T, at scene) {
			failed := *at.Record
			failed.Failed = "aborted by ann"
			at.history = append(at.history, map[string]stack.Value{Key: {Text: failed.String()}})
			at.typed("y")
		}}},
		{name: "paused meanwhile", want: "somebody moved the split", onWait: []func(*testing.T, scene){
			yes,
			func(t *testing.T, at scene) { at.give(t, at.Record, Pause); at.typed("y") },
			func(_ *testing.T, at scene) { at.inForce = release.Split{Stable: 1} },
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, record, answers, waits := newWorld(), begin(), make(chan string), 0
				record.Manual = true
				at := scene{w, record, func(line string) { answers <- line }}
				if tc.before != nil {
					tc.before(t, at)
				}
				err := w.run(t, record, func(p *Promotion) {
					p.Answers = answers
					tell := p.Tell
					p.Tell = func(notice Notice) {
						if tell(notice); notice.What == Waits {
							act := tc.onWait[waits]
							waits++
							time.AfterFunc(10*time.Second, func() { act(t, at) })
						}
					}
				})
				if tc.want == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, tc.want)
				}
				require.Equal(t, len(tc.onWait), waits)
			})
		})
	}
}

// Somebody elsewhere aborts it in a bake, and during an update, which has locked the stack.
func TestAbort(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]time.Duration{"in a bake": 10 * time.Second, "in an update": 1500 * time.Millisecond, "in the first update": 500 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, record := newWorld(), begin()
				over := make(chan error, 1)
				w.at(after, func() {
					stored, err := ParseRecord(w.settings[Key].Text)
					if err != nil {
						panic(err)
					}
					over <- w.promotion().Abort(t.Context(), stored)
				})
				var back *TakenBackError
				require.ErrorAs(t, w.run(t, record, nothing), &back)
				require.Equal(t, "aborted by "+Me().String(), strings.Split(back.Reason, "\n")[0])
				require.ErrorAs(t, <-over, &back)
				require.Equal(t, "100/0", w.inForce.Short())
				last, err := ParseRecord(w.history[len(w.history)-1][Key].Text)
				require.NoError(t, err)
				require.Contains(t, last.Failed, "aborted by "+Me().String())
				require.Equal(t, "0", w.history[len(w.history)-1]["canaryWeight"].Text)
				require.Equal(t, name != "in a bake", strings.Contains(w.log(), "    again, after another update of the stack"))
			})
		})
	}
}

func TestOrderOfSomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for _, text := range []string{"", "no JSON", `{"promotion":"another","word":"abort"}`} {
		w.order = text
		order, err := w.promotion().order(t.Context(), begin())
		require.NoError(t, err)
		require.Zero(t, order, text)
	}
	w.order = `{"promotion":"a","id":"1","word":"pause","by":{"user":"ann","host":"h","process":7}}`
	order, err := w.promotion().order(t.Context(), begin())
	require.NoError(t, err)
	require.Equal(t, Order{Promotion: "a", ID: "1", Word: Pause, By: Runner{User: "ann", Host: "h", Process: 7}}, order)
}

// The record says nothing of a gate and a person where there is none, and never a URL.
func TestRecordOfGates(t *testing.T) {
	t.Parallel()
	require.NotContains(t, begin().String(), "gated")
	require.NotContains(t, begin().String(), "manual")
	record := begin()
	record.Gated, record.Manual = true, true
	var fields map[string]any
	require.NoError(t, json.Unmarshal([]byte(record.String()), &fields))
	require.Equal(t, true, fields["gated"])
	require.Equal(t, true, fields["manual"])
}
