//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/kube"
	"canary/internal/pins"
	"canary/test/e2e/harness"
	"canary/test/load"
	"canary/test/machine"
)

// soakReport is the text of docs/soak.md.
func soakReport(t *testing.T, rounds int, rate float64, j *load.Journal) string {
	t.Helper()
	lost := j.Lost()
	var b strings.Builder
	fmt.Fprintf(&b, `# Soak

Written by `+"`make soak`"+` on %s.

%d requests in %d rounds, **%d failed**. Each path (ingress: through the load balancer's port; mesh: from a pod with a
sidecar) sends %v POST requests a second over kept connections, on time whatever the answers do, and none twice, and two
requests a second that take 5 to 20 s (one of them a slow stream). The app is the test server as the user's image: it
handles no signal. Failed is every answer other than 2xx, every transport error and every timeout (90 s).

Outbound retries are off in the whole mesh (istioValues: istiod.meshConfig.defaultHttpRetryPolicy.attempts 0, seen in
Envoy's own routes). Istio's inbound retry is hard-coded and stays: a sidecar sends a request to its own app again, twice
at most, when the connection was reset before the request was.

Machine: %s. Istio %s, %s.

%s
Failed requests:

`, time.Now().UTC().Format("2006-01-02"), j.Requests(""), rounds, len(lost), rate, machine.Facts(), pins.IstioVersion, pins.K3sImage, load.Table(j.Count()))
	for l := range strings.SplitSeq(strings.TrimSpace(load.Describe(lost, 200)), "\n") {
		b.WriteString("    " + l + "\n")
	}
	return b.String()
}

// outboundRetries lists the retry policies in the routes of the ingress gateway that lead to the app.
func outboundRetries(t *testing.T, c *kube.Client) []string {
	t.Helper()
	pods, err := c.Pods(t.Context(), harness.MeshNamespace, harness.IngressSelector)
	require.NoError(t, err)
	require.NotEmpty(t, pods)
	dump := harness.Ask(t, c, "GET", harness.MeshNamespace, pods[0].Name, 15000, "/config_dump?resource=dynamic_route_configs")
	require.Contains(t, dump, harness.AppName)
	var found []string
	for line := range strings.SplitSeq(dump, "\n") {
		if strings.Contains(line, `"retry_policy"`) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}
