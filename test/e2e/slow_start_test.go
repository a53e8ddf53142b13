//go:build e2e

package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/test/e2e/harness"
)

// TestSlowStart releases a canary that answers after 75 s: the update waits for it, and meanwhile says what the pod
// waits for and what to do if it never will.
func TestSlowStart(t *testing.T) {
	harness.Long(t)
	p := harness.Shared(t)
	p.RestoreAfter(t)
	a := p.Example(t)
	p.SetAll(t, "canaryImage="+harness.ImageSlow, "canaryWeight=50")
	o := p.Attempt(t, harness.UpArgs...)
	t.Logf("exit code %d after %.1f s: %s", o.Code, o.Took.Seconds(), harness.LineWith(o.All, "Unhealthy: "))
	require.Zero(t, o.Code, o.All)
	require.Greater(t, o.Took, 70*time.Second)
	require.Regexp(t, `canary: 0 of 1 pods ready.* \(Unhealthy: Startup probe failed: .*; `+
		"check `containerPort`, `readinessPath` and `readinessProtocol`, or give the app more than its 10m0s in `startSeconds`\\)", o.All)
	a.RequireSplit(t, 50)
}
