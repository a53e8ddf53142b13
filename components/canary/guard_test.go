package canary

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/dataplane"
)

var errSick = errors.New("subset canary has 0 of 1 pods ready: CrashLoopBackOff")

func TestGuard(t *testing.T) {
	t.Parallel()
	none := errors.New("no such VirtualService")
	sick := map[string]error{canarySubset: errSick}
	cases := []struct {
		name     string
		weight   string
		inForce  dataplane.Split
		splitErr error
		readyErr map[string]error
		calls    []string
		err      string
	}{
		{
			name: "first update waits for what gets traffic", weight: "0",
			splitErr: none,
			calls:    []string{"ready map[stable:1]"},
		},
		{
			name: "first update with a split waits for both", weight: "50",
			splitErr: none,
			calls:    []string{"ready map[canary:2 stable:1]"},
		},
		{
			name: "first update with a sick canary", weight: "50",
			splitErr: none, readyErr: sick,
			calls: []string{"ready map[canary:2 stable:1]"},
			err:   "the split was not written: " + errSick.Error(),
		},
		{
			name: "towards the canary", weight: "50",
			inForce: dataplane.Split{Stable: 100},
			calls:   []string{"ready map[canary:2]"},
		},
		{
			name: "towards a sick canary", weight: "12.5",
			inForce: dataplane.Split{Stable: 95, Canary: 5}, readyErr: sick,
			calls: []string{"ready map[canary:2]"},
			err:   "the split stays 95/5: " + errSick.Error(),
		},
		{
			name: "roll back from a sick canary", weight: "0",
			inForce: dataplane.Split{Stable: 50, Canary: 50}, readyErr: sick,
			calls: []string{"ready map[stable:1]"},
		},
		{
			name: "partly back from a sick canary", weight: "10",
			inForce: dataplane.Split{Stable: 50, Canary: 50}, readyErr: sick,
			calls: []string{"ready map[stable:1]"},
		},
		{
			name: "the same split", weight: "50",
			inForce: dataplane.Split{Stable: 5000, Canary: 5000}, readyErr: sick,
		},
		{
			name: "everything to the canary", weight: "100",
			inForce: dataplane.Split{Stable: 50, Canary: 50},
			calls:   []string{"ready map[canary:2]"},
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			app := &fakeLive{inForce: tc.inForce, splitErr: tc.splitErr, readyErr: tc.readyErr}
			r := newRollout(configuration(t, map[string]string{"canaryWeight": tc.weight, "canaryReplicas": "2"}))

			err := r.guard(t.Context(), app, func(string) {})

			if tc.err == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, tc.err)
			}
			require.Equal(t, tc.calls, app.calls)
		})
	}
}

func TestFinish(t *testing.T) {
	t.Parallel()
	lag := errors.New("1 of 5 proxies does not serve it")
	cases := []struct {
		name string
		app  *fakeLive
		done []string
		err  string
	}{
		{
			name: "served",
			app:  &fakeLive{convergeAs: dataplane.Converged{Proxies: 5, Elapsed: 118 * time.Millisecond}},
			done: []string{"split 50/50 is served by all 5 proxies after 0.12 s"},
		},
		{
			name: "one proxy",
			app:  &fakeLive{convergeAs: dataplane.Converged{Proxies: 1, Elapsed: 2 * time.Second}},
			done: []string{"split 50/50 is served by the only proxy after 2.00 s"},
		},
		{
			name: "a proxy lags",
			app:  &fakeLive{convergeErr: lag},
			err:  lag.Error(),
		},
		{
			name: "a subset ends sick",
			app: &fakeLive{
				convergeAs: dataplane.Converged{Proxies: 5, Elapsed: 100 * time.Millisecond},
				readyErr:   map[string]error{canarySubset: errSick},
			},
			done: []string{"split 50/50 is served by all 5 proxies after 0.10 s"},
			err:  "the split 50/50 is served, but: " + errSick.Error(),
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRollout(configuration(t, map[string]string{"canaryWeight": "50"}))
			var done []string

			err := r.finish(t.Context(), tc.app, func(string) {}, func(line string) { done = append(done, line) })

			if tc.err == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, tc.err)
			}
			require.Equal(t, tc.done, done)
		})
	}
}
