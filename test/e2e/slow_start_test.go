//go:build e2e

package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSlowStart releases a canary that answers after 75 s: the update waits for it, and meanwhile says what the pod
// waits for and what to do if it never will.
func TestSlowStart(t *testing.T) {
	p := shared(t)
	p.restoreAfter(t)
	a := p.example(t)
	p.setAll(t, "canaryImage="+imageSlow, "canaryWeight=50")
	o := p.attempt(t, upArgs...)
	t.Logf("exit code %d after %.1f s: %s", o.code, o.took.Seconds(), lineWith(o.all, "Unhealthy: "))
	require.Zero(t, o.code, o.all)
	require.Greater(t, o.took, 70*time.Second)
	require.Regexp(t, `canary: 0 of 1 pods ready.* \(Unhealthy: Startup probe failed: .*; `+
		"check `containerPort` and `readinessPath`, or give the app more than its 10m0s in `startSeconds`\\)", o.all)
	a.requireSplit(t, 50)
}
