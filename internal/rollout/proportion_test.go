package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/release"
	"canary/internal/rollout/rollouttest"
)

func TestGuardComparesPods(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		pods    map[string]release.Pods
		inForce release.Split
		ready   map[string]int
		want    []string
	}{
		"too few": {
			pods:    map[string]release.Pods{release.Stable: {Min: 1, Max: 9}, release.Canary: {Min: 1, Max: 9}},
			inForce: release.Split{Stable: 100}, ready: map[string]int{release.Stable: 4, release.Canary: 1},
			want: []string{"canary gets 50 % of the requests, and has 1 of the 2 pods that would carry them as stable's do now. " +
				"Its autoscaler adds pods only once they are loaded; `pulumi config set canaryReplicas 2` and `pulumi up` have them ready before"},
		},
		"enough": {
			pods:    map[string]release.Pods{release.Stable: {Min: 1, Max: 9}, release.Canary: {Min: 1, Max: 9}},
			inForce: release.Split{Stable: 100}, ready: map[string]int{release.Stable: 4, release.Canary: 2},
		},
		"back to stable, which is fixed": {
			pods:    map[string]release.Pods{release.Stable: release.Fixed(1), release.Canary: {Min: 1, Max: 9}},
			inForce: release.Split{Canary: 100}, ready: map[string]int{release.Stable: 1, release.Canary: 8},
		},
		"back to stable": {
			pods:    map[string]release.Pods{release.Stable: {Min: 1, Max: 3}, release.Canary: release.Fixed(8)},
			inForce: release.Split{Canary: 100}, ready: map[string]int{release.Stable: 1, release.Canary: 8},
			want: []string{"stable gets 50 % of the requests, and has 1 of the 4 pods that would carry them as canary's do now. " +
				"Its autoscaler adds pods only once they are loaded; `pulumi config set stableReplicas 3` and `pulumi up` have them ready before"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := wanting(50)
			want.Pods = tc.pods
			say, warned := silent(), []string(nil)
			say.Warn = func(line string) { warned = append(warned, line) }
			require.NoError(t, New(want).Guard(t.Context(), &rollouttest.Cluster{InForce: tc.inForce, Ready: tc.ready}, say))
			require.Equal(t, tc.want, warned)
		})
	}
}
