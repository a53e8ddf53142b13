package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/readiness"
	"canary/internal/release"
)

func TestCanaryAlone(t *testing.T) {
	t.Parallel()
	sick := (&readiness.NotReadyError{Subset: release.Canary, Wanted: 1, Pod: "web-1", Container: "app", Reason: "CrashLoopBackOff"}).Error()
	stable := (&readiness.NotReadyError{Subset: release.Stable, Wanted: 1, Pod: "web-2", Reason: "Unschedulable"}).Error()
	for _, tc := range []struct{ name, text, want string }{
		{"served", "program failed: the split 100/0 is served, but: " + sick + "\nupdate failed", sick},
		{"asked beside the split", `before hook "app: guard" failed: the routes stay as they are: ` + sick, sick},
		{"not written", "the split was not written: " + sick, ""},
		{"kept from moving", "the split stays 50/50: " + sick, ""},
		{"stable is not ready either", "the split 100/0 is served, but: " + sick + "\n" + stable, ""},
		{"somebody changed something", "the split 100/0 is served, but: somebody else changed the stack's objects:\n" + sick, ""},
		{"a proxy lags", "1 of 4 proxies do not serve the split 100/0", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, CanaryAlone(tc.text))
		})
	}
}
