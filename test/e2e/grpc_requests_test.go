//go:build e2e

package e2e

import (
	"strconv"
	"testing"

	"canary/test/e2e/harness"
)

// TestGRPCRequests counts the answers of an app that speaks nothing but gRPC, from the ingress and in the mesh: of its
// health check, and of a method of its own.
func TestGRPCRequests(t *testing.T) {
	harness.Long(t)
	p := harness.Shared(t)
	p.RestoreAfter(t)
	p.SetAll(t, "containerPort=9000", "protocol=grpc", "stableImage="+harness.ImageStreams)
	p.Up(t)
	for _, canary := range []int{50, 100, 0} {
		p.Set(t, "canaryWeight", strconv.Itoa(canary))
		p.Up(t)
		p.VerifySplit(t, 100-canary, canary)
	}
	for _, from := range []string{"ingress", "mesh"} {
		t.Log(harness.Run(t, p.Dir, p.Env, "canary", "requests", "--from", from, "--path", "/streams/Once", "--stack", p.Stack))
	}
}
