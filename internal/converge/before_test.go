package converge

import (
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/istiod"
)

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
