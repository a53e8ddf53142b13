//go:build e2e

package e2e

import (
	"strconv"
	"testing"
	"time"

	"canary/test/e2e/harness"
)

// TestStreams holds calls and streams open while the weight changes ten times (three in a short run), and while the canary's
// pods are replaced.
// None is cut before drainSeconds.
func TestStreams(t *testing.T) {
	p := harness.Shared(t)
	p.RestoreAfter(t)
	const drain = 8
	app := p.Example(t)
	weights := []string{"50", "10", "90", "0", "100", "50", "0.05", "100", "25", "0"}
	if testing.Short() {
		weights = []string{"50", "100", "0"}
	}
	for _, tc := range []struct {
		name     string
		settings []string
		kinds    map[string]harness.Stream
	}{
		{
			"HTTP", []string{"containerPort=8080", "readinessPath=/ready"},
			map[string]harness.Stream{"websocket": app.Websocket, "server-sent events": app.Events},
		},
		{"gRPC", []string{"containerPort=9000", "protocol=grpc"}, app.GRPC(t)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.name == "HTTP" {
				harness.Long(t)
			}
			p.SetAll(t, append(tc.settings, "stableImage="+harness.ImageStreams, "drainSeconds="+strconv.Itoa(drain))...)
			p.Up(t)
			streams := harness.HoldStreams(t, 4, (drain-2)*time.Second, tc.kinds)
			for _, weight := range weights {
				p.Set(t, "canaryWeight", weight)
				p.Up(t)
			}
			p.Pulumi(t, "config", "set", "--path", "canaryEnv.RELEASE", tc.name)
			p.Set(t, "canaryWeight", "50")
			p.Up(t)
			p.Set(t, "canaryWeight", "0")
			p.Up(t)
			streams.Finish(t)
		})
	}
}
