package converge

import (
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/envoy"
	"canary/internal/istiod"
	"canary/internal/release"
)

func TestBlocked(t *testing.T) {
	t.Parallel()
	canary, stable := release.Split{Canary: 1}, release.Split{Stable: 1}
	b := &Before{held: []envoy.Clusters{
		{},
		{Service: true}, // no object of somebody else: it may only be late
		{Service: true, Stable: true, Canary: true, Foreign: "good/both"},
		{Service: true, Stable: true, Foreign: "mesh/other"},
		{Service: true, Stable: true, Foreign: "default/other"},
		{Service: true, Stable: true, Foreign: "default/other"},
	}}
	const does = " stands in place of the app's and has no subset canary: add what is missing, or remove it"
	require.Equal(t, "DestinationRule default/other"+does+"; DestinationRule mesh/other"+does, b.Blocked(canary))
	require.Empty(t, b.Blocked(stable))
	require.Empty(t, (*Before)(nil).Blocked(canary))
}

func TestFloor(t *testing.T) {
	t.Parallel()
	known := istiod.Process{Key: "known"}
	for name, tc := range map[string]struct {
		before Before
		floor  uint64
		known  bool
	}{
		"nothing known":    {},
		"book was read":    {Before{running: map[string]bool{"known": true}, floors: map[string]uint64{"known": 7}}, 7, true},
		"book was not":     {Before{running: map[string]bool{"known": true}}, 0, false},
		"began since then": {Before{running: map[string]bool{"other": true}}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !tc.before.taken() {
				return
			}
			floor, ok := tc.before.floor(known)
			require.Equal(t, tc.floor, floor)
			require.Equal(t, tc.known, ok)
		})
	}
	require.False(t, (*Before)(nil).taken())
	require.False(t, new(Before).taken())
}
