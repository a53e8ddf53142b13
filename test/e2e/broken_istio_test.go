//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/test/e2e/harness"
)

// TestBrokenIstio installs an Istio whose ingress gateway cannot start: up says why long before Helm gives up. Once that was
// ended and the cause mended, the next one succeeds.
func TestBrokenIstio(t *testing.T) {
	harness.Long(t)
	p := harness.NewProject(t, "agents=0")
	p.Pulumi(t, "config", "set", "--path", `istioValues.ingressgateway.podAnnotations["sidecar.istio.io/statsFlushInterval"]`, "500ms")
	t.Cleanup(func() { p.Destroy(t) })
	begin := time.Now()
	cmd, log := startPulumi(t, p, harness.UpArgs...)
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	why := regexp.MustCompile(`release istio-ingressgateway is waited for, at most 10m0s, and pod istio-ingressgateway-\S+: ` +
		`container istio-proxy: CrashLoopBackOff: exited with code \d+.*, restarted .*; last log line: .*`)
	harness.Eventually(t, 3*time.Minute, func(context.Context) error {
		said, err := os.ReadFile(log)
		if err == nil && !why.Match(said) {
			err = fmt.Errorf("it does not say why: %s", harness.LastLines(string(said), 12))
		}
		return err
	})
	said, err := os.ReadFile(log)
	require.NoError(t, err)
	t.Logf("after %.1f s: %s", time.Since(begin).Seconds(), why.Find(said))
	require.NoError(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)) // as a terminal does
	require.Error(t, cmd.Wait())
	said, err = os.ReadFile(log)
	require.NoError(t, err)
	t.Logf("ended after %.1f s: %s", time.Since(begin).Seconds(), harness.LastLines(string(said), 20))

	p.Pulumi(t, "config", "rm", "--path", "istioValues.ingressgateway")
	p.Up(t)
}
