package rollout

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/release"
	"canary/internal/rollout/rollouttest"
)

func TestTwoSteps(t *testing.T) {
	t.Parallel()
	gone := errors.New("cluster not reachable")
	const refused = "this update would change the pods of subset"
	cases := []struct {
		name     string
		weight   float64
		subset   string
		inForce  release.Split
		splitErr error
		err      string
	}{
		{name: "canary loses weight", weight: 0, subset: release.Canary, inForce: release.Split{Stable: 50, Canary: 50}, err: refused},
		{name: "canary loses some weight", weight: 49.99, subset: release.Canary, inForce: release.Split{Stable: 50, Canary: 50}, err: refused},
		{name: "stable loses weight", weight: 10, subset: release.Stable, inForce: release.Split{Stable: 100}, err: refused},
		{name: "canary gains weight", weight: 60, subset: release.Canary, inForce: release.Split{Stable: 50, Canary: 50}},
		{name: "stable gains weight", weight: 0, subset: release.Stable, inForce: release.Split{Stable: 50, Canary: 50}},
		{name: "canary keeps its weight", weight: 50, subset: release.Canary, inForce: release.Split{Stable: 5000, Canary: 5000}},
		{name: "canary serves nothing", weight: 0, subset: release.Canary, inForce: release.Split{Stable: 100}},
		{name: "stable serves nothing", weight: 100, subset: release.Stable, inForce: release.Split{Canary: 100}},
		{name: "there is no split yet", weight: 0, subset: release.Canary, splitErr: errGone},
		{name: "the split was made impossible by hand", weight: 0, subset: release.Canary, splitErr: release.ErrNoSplit},
		{name: "the split cannot be read", weight: 0, subset: release.Canary, splitErr: gone, err: "the split in force has to be known"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := New(wanting(tc.weight))
			app := &rollouttest.Cluster{InForce: tc.inForce, SplitErr: tc.splitErr}
			err := r.CheckPodChange(t.Context(), app, tc.subset, []string{"a change"})
			if tc.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.err)
		})
	}
}

func TestTwoStepsMessage(t *testing.T) {
	t.Parallel()
	r := New(wanting(0))
	app := &rollouttest.Cluster{InForce: release.Split{Stable: 50, Canary: 50}}
	err := r.CheckPodChange(t.Context(), app, release.Canary, []string{"one", "two", "three", "four", "five"})
	require.EqualError(t, err, `this update would change the pods of subset canary and take weight from it, while it serves requests
  split in force: stable 50 / canary 50
  wanted split:   stable 100 / canary 0
  changes of its pods:
    one
    two
    three
    and 2 more
neither its pods nor the split were changed. Do it in two steps:
  1. undo the changes of its pods in the configuration, leave canaryWeight as it is, and type `+"`pulumi up`"+`: the split moves
  2. make the changes again and type `+"`pulumi up`"+`: the pods follow`)
}
