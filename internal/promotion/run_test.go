package promotion

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/envoy"
	"canary/internal/judge"
	"canary/internal/release"
	"canary/internal/stack"
)

func TestPromote(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		require.NoError(t, w.promote(t, t.Context(), begin(), false))
		require.Equal(t, map[string]stack.Value{"stableImage": {Text: "shop:2"}, "canaryWeight": {Text: "0"}, "canaryReplicas": {Text: "0"}}, w.settings,
			"the file is as one would have written it")
		require.Equal(t, []string{
			"canary promote shop:2: the canary gets shop:2",
			"canary promote shop:2: 5 % of the requests go to the canary",
			"canary promote shop:2: 50 % of the requests go to the canary",
			"canary promote shop:2: 100 % of the requests go to the canary",
			"canary promote shop:2: stable takes over what the canary has",
			"canary promote shop:2: all requests go to stable, and the canary goes",
		}, w.messages)
		record, err := ParseRecord(w.history[4][Key].Text)
		require.NoError(t, err)
		require.Len(t, record.Judged, 3, "the history has what was seen")
		for _, step := range record.Judged {
			require.Equal(t, judge.Pass, step.Verdict.Outcome)
			require.GreaterOrEqual(t, step.Seconds, 30.0)
			require.GreaterOrEqual(t, len(step.Samples), 30)
			require.Less(t, len(w.history[4][Key].Text), 8<<10, "the record stays small")
		}
	})
}

func TestTakeBack(t *testing.T) {
	t.Parallel()
	all := func(requests uint64) uint64 { return requests }
	for _, tc := range []struct {
		name   string
		sicken func(*world)
		want   string
	}{
		{"every answer fails", func(w *world) { w.sick = all }, "at 5 % the canary fails more than it may"},
		{"one in ten fails", func(w *world) { w.sick = func(requests uint64) uint64 { return requests / 10 } }, "at 5 % the canary fails more than it may"},
		{
			"every answer is slow", func(w *world) { w.timed, w.slow = 1000, true },
			"at 5 % the canary is slow more often than it may: ",
		},
		{"no pods", func(w *world) { w.noPods = true }, "at 5 % no pod of the canary is ready"},
		{"refused", func(w *world) { w.refuse["50"] = errors.New("the guard says no") }, "the update to 50 % failed: the guard says no"},
		{"not written at once", func(w *world) { w.sick, w.writeErr = all, errors.New("no right") }, "at 5 % the canary fails more than it may"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				tc.sicken(w)
				var back *TakenBackError
				record := begin()
				record.MaxSlowdown = 0.05
				require.ErrorAs(t, w.promote(t, t.Context(), record, false), &back)
				require.Contains(t, back.Reason, tc.want)
				require.Contains(t, back.Reason, "pod canary-1: not ready, 2 restarts")
				require.Equal(t, "100/0", w.inForce.Short())
				require.Equal(t, "0", w.settings["canaryWeight"].Text)
				require.Equal(t, "shop:2", w.settings["canaryImage"].Text, "the canary's pods are kept")
				last, _, err := w.Last(t.Context())
				require.NoError(t, err)
				record, err = ParseRecord(last[Key].Text)
				require.NoError(t, err)
				require.Equal(t, back.Reason, record.Failed, "the stack says why")
				require.False(t, record.UnderWay())
				require.Len(t, record.Judged, 1, "the history has what was seen")
				require.Equal(t, "5", record.Judged[0].Weight)
			})
		})
	}
}

// A sick canary is found on copies before it gets a share, and one that passes goes on to its shares.
func TestPromoteOnCopies(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		sicken func(*world)
		want   string // "" is promoted
	}{
		{"healthy", func(*world) {}, ""},
		{"one in ten fails", func(w *world) { w.sick = func(requests uint64) uint64 { return requests / 10 } }, "on copies of the requests the canary fails more than it may: "},
		{"every answer is slow", func(w *world) { w.timed, w.slow = 1000, true }, "on copies of the requests the canary is slow more often than it may: "},
		{"no pods", func(w *world) { w.noPods = true }, "on copies of the requests no pod of the canary is ready"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.copied = true
				tc.sicken(w)
				record := begin()
				record.Steps, record.MaxSlowdown = []string{"0", "50", "100"}, 0.05
				err := w.promote(t, t.Context(), record, false)
				if tc.want == "" {
					require.NoError(t, err)
					require.Equal(t, []string{
						"began 0", "done 0", "done 0", "passed 0", "done 50", "passed 50", "done 100", "passed 100", "done 100", "done 0", "promoted 0",
					}, w.told())
					require.Len(t, record.Judged, 3)
					return
				}
				var back *TakenBackError
				require.ErrorAs(t, err, &back)
				require.Contains(t, back.Reason, tc.want)
				require.Equal(t, []string{
					"canary promote shop:2: the canary gets shop:2", "canary promote shop:2: copies of the requests go to the canary", "canary promote shop:2: roll back",
				}, w.messages)
			})
		})
	}
}

// crashes is what an update says of a canary that crashes.
const crashes = "the split 100/0 is served, but: subset canary: 0 of 1 pods ready: pod web-1: container app: CrashLoopBackOff: exited with code 2"

// A canary that never gets ready has failed, and had no request. The pods keep the roll back's update from succeeding, too.
func TestTakeBackBeforeAnyRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.refuse["0"] = errors.New(crashes)
		w.recordRefused = true
		var back *TakenBackError
		require.ErrorAs(t, w.promote(t, t.Context(), begin(), false), &back)
		require.Equal(t, "the canary failed before it got any request: subset canary: 0 of 1 pods ready: pod web-1: container app: CrashLoopBackOff: "+
			"exited with code 2\npod canary-1: not ready, 2 restarts", back.Reason)
		require.Equal(t, "100/0", w.inForce.Short())
		require.Equal(t, "shop:2", w.settings["canaryImage"].Text, "the canary's pods are kept")
		require.Equal(t, []string{"canary promote shop:2: the canary gets shop:2", "canary promote shop:2: roll back"}, w.messages)
		last, _, err := w.Last(t.Context())
		require.NoError(t, err)
		record, err := ParseRecord(last[Key].Text)
		require.NoError(t, err)
		require.Equal(t, back.Reason, record.Failed, "the stack says why")
		require.False(t, record.UnderWay(), "the next promotion may begin")
		end := w.notices[len(w.notices)-1]
		require.Equal(t, TakenBack, end.What)
		require.NotContains(t, end.Reason, "2 restarts", "what pods say is not sent")
	})
}

// What is slow is found before the first step, and stays so.
func TestSlowness(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		timed     uint64
		lately    envoy.Times
		slowAfter Duration
		want      Duration
		says      string
	}{
		{"the proxies tell nothing", 0, nil, 0, 0, "inclusionRegexps"},
		{"too few before", 99, envoy.Times{1: 99}, 0, 0, "stable has answered only 99 requests before it"},
		{"stable's p99", 1000, nil, 0, Duration(5 * time.Millisecond), "slower than 5ms: stable 0 of"},
		{"stable was slower once", 1000, envoy.Times{1: 99, 5: 1}, 0, Duration(time.Millisecond), "slower than 1ms: stable "},
		{"too few since the promotion began", 1000, envoy.Times{1: 99}, 0, Duration(5 * time.Millisecond), "slower than 5ms: stable 0 of"},
		{"stable is slower now", 1000, envoy.Times{250: 100}, 0, Duration(5 * time.Millisecond), "slower than 5ms: stable 0 of"},
		{"given, and the proxies tell nothing", 0, nil, Duration(time.Second), Duration(time.Second), "inclusionRegexps"},
		{"given", 1000, envoy.Times{1: 100}, Duration(time.Second), Duration(time.Second), "slower than 1s: stable 0 of"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.timed, w.lately = tc.timed, tc.lately
				record := begin()
				record.MaxSlowdown, record.SlowAfter = 0.05, tc.slowAfter
				require.NoError(t, w.promote(t, t.Context(), record, false))
				require.Equal(t, tc.want, record.SlowAfter)
				require.Contains(t, strings.Join(w.said, "\n"), tc.says)
				for _, step := range record.Judged {
					require.Equal(t, tc.want > 0 && tc.timed > 0, step.Slowness != nil)
				}
			})
		})
	}
}

// The first bad answers are enough, and the split is written before the update runs.
func TestTakeBackAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.sick = func(requests uint64) uint64 { return requests }
		var atUpdate []string
		w.onUpdate = func() { atUpdate = append(atUpdate, w.inForce.Short()) }
		require.Error(t, w.promote(t, t.Context(), begin(), false))
		require.Equal(t, []string{"100/0", "100/0", "100/0"}, atUpdate)
		require.Equal(t, "roll back", w.events[len(w.events)-1].Stage)
	})
}

func TestHold(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		sicken func(*world)
		want   string
	}{
		{"no requests", func(w *world) { w.silent = true }, "held at 5 % for 5m30s, and the requests still do not tell: 329 more of the canary's, and none come"},
		{"no requests that are known", func(w *world) { w.silent, w.doubts = true, []string{"no counter"} }, "and none come; no counter"},
		{"old counts", func(w *world) { w.doubts = []string{"not scraped for 1m0s"} }, "held at 5 % for 5m30s, and the requests still do not tell: not scraped for 1m0s"},
		{"the counts cannot begin", func(w *world) { w.beginErr = errors.New("down") }, "before the step to 5 %: the requests cannot be counted: down"},
		{"the split moved", func(w *world) {
			w.interrupt = func(w *world) {
				if time.Since(w.since) > 10*time.Second {
					w.inForce = release.Split{Stable: 1}
				}
			}
		}, "somebody moved the split to stable 100 / canary 0 meanwhile"},
		{"resumed elsewhere", func(w *world) {
			w.interrupt = func(w *world) {
				record, err := ParseRecord(w.history[len(w.history)-1][Key].Text)
				if err != nil {
					panic(err)
				}
				record.By = Runner{User: "bob", Host: "elsewhere", Process: 1}
				w.history[len(w.history)-1][Key] = stack.Value{Text: record.String()}
			}
		}, "bob on elsewhere (process 1) promotes shop:2 now"},
		{"ended by somebody", func(w *world) {
			w.onUpdate = func() {
				if w.settings["canaryWeight"].Text == "5" {
					delete(w.settings, Key)
				}
			}
		}, "an update of somebody else ended this promotion"},
		{"the first update fails", func(w *world) { w.refuse["0"] = errors.New("istiod is down") }, "the update failed: istiod is down"},
		{
			"the image cannot be pulled now",
			func(w *world) {
				w.refuse["0"] = errors.New("subset canary: 0 of 1 pods ready: pod web-1: container app: ErrImagePull: image shop:2: 502 Bad Gateway; " +
					"the registry, or the way to it, is in trouble: run the same again, or ask who runs it")
			},
			"the update failed: subset canary: 0 of 1 pods ready",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				tc.sicken(w)
				var held *HeldError
				require.ErrorAs(t, w.promote(t, t.Context(), begin(), false), &held)
				require.Contains(t, held.Reason, tc.want)
				require.NotContains(t, strings.Join(w.messages, "\n"), "roll back")
			})
		})
	}
}

// What is in doubt for a while only makes a step longer.
func TestDoubtsThatEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.interrupt = func(w *world) {
			w.doubts = nil
			if held := time.Since(w.since); held > 20*time.Second && held < 3*time.Minute {
				w.doubts = []string{"down"}
			}
		}
		require.NoError(t, w.promote(t, t.Context(), begin(), false))
		require.Contains(t, w.said, "    does not pass now: down")
		require.True(t, slices.ContainsFunc(w.events, func(e Event) bool { return slices.Equal(e.Doubts, []string{"down"}) }))
		record, err := ParseRecord(w.history[4][Key].Text)
		require.NoError(t, err)
		require.InDelta(t, 180, record.Judged[0].Seconds, 2)
	})
}

// Interrupted at any moment, a promotion goes on from what the stack says.
func TestResume(t *testing.T) {
	t.Parallel()
	for stage := range 6 {
		for _, recorded := range []bool{true, false} {
			t.Run(fmt.Sprintf("stage %d, recorded %v", stage, recorded), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld()
					ctx, cancel := context.WithCancel(t.Context())
					updates := 0
					w.onUpdate = func() {
						if updates++; updates == stage+1 {
							if recorded {
								w.history = append(w.history, maps.Clone(w.settings))
							}
							cancel()
						}
					}
					require.Error(t, w.promote(t, ctx, begin(), false))
					w.onUpdate = nil

					record, err := ParseRecord(w.settings[Key].Text)
					require.NoError(t, err)
					succeeded := false
					if len(w.history) > 0 {
						record, err = ParseRecord(w.history[len(w.history)-1][Key].Text)
						require.NoError(t, err)
						succeeded = true
					}
					if record == nil {
						require.Equal(t, 5, stage, "the last update is the end")
						return
					}
					if succeeded {
						w.inForce, err = split(w.history[len(w.history)-1]["canaryWeight"].Text)
						require.NoError(t, err)
					}
					record.Interrupted, record.By = record.By, Runner{Host: "elsewhere", Process: 1}
					require.NoError(t, w.promote(t, t.Context(), record, succeeded))
					require.Equal(t, map[string]stack.Value{"stableImage": {Text: "shop:2"}, "canaryWeight": {Text: "0"}, "canaryReplicas": {Text: "0"}}, w.settings)
				})
			})
		}
	}
}
