//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/envoy"
	"canary/internal/kube"
	"canary/internal/pins"
	"canary/internal/release"
	"canary/internal/traffic/relay"
	"canary/test/e2e/harness"
)

// TestDarkLaunch asks for the canary by a header while its weight is 0, and at others, from the ingress and in the mesh;
// requests without it go as the weight says. The header is left alone by a roll back.
func TestDarkLaunch(t *testing.T) {
	p := harness.Shared(t)
	p.RestoreAfter(t)
	a := p.Example(t)
	p.Set(t, "canaryHeader", "x-canary=e2e")
	p.Up(t)
	require.Contains(t, p.AttemptCommand(t, "canary", "status", "--stack", p.Stack).All, "requests with the header x-canary: e2e always reach the canary")

	u := newUsers(t, a, 1)
	opened, err := relay.Open(t.Context(), relay.In(a.Client), relay.Options{Namespace: a.Namespace, Service: a.Name, Image: pins.NginxImage})
	require.NoError(t, err)
	defer func() { require.NoError(t, opened.Close()) }()
	callers := map[string]struct {
		client  *http.Client
		address string
	}{
		"ingress": {u.clients[0], u.url.String()},
		"mesh":    {&http.Client{Transport: &http.Transport{DialContext: opened.DialContext}, Timeout: 10 * time.Second}, "http://" + a.Name},
	}
	for _, weight := range []string{"0", "5", "0"} { // the last is a roll back
		p.Set(t, "canaryWeight", weight)
		p.Up(t)
		for from, caller := range callers {
			requireVersion(t, caller.client, caller.address, "x-canary=e2e", release.Canary, from+" at "+weight)
			if weight == "0" {
				requireVersion(t, caller.client, caller.address, "", release.Stable, from+" at "+weight)
				requireVersion(t, caller.client, caller.address, "x-canary=other", release.Stable, from+" at "+weight)
			}
		}
	}
	p.VerifyNoChanges(t)

	p.Set(t, "canaryReplicas", "0") // who asks for a canary that is off gets stable, and no error
	p.Up(t)
	requireVersion(t, u.clients[0], u.url.String(), "x-canary=e2e", release.Stable, "without a canary")
}

// requireVersion fails the test unless each of some requests is answered by the version.
func requireVersion(t *testing.T, client *http.Client, address, header, want, when string) {
	t.Helper()
	for range 50 {
		got, err := versionOf(t.Context(), client, address, header)
		require.NoError(t, err, when)
		require.Equal(t, want, got, when)
	}
}

// TestMirroredRequests copies all requests to a canary without weight: its pods answer as many, and no client gets an
// answer of theirs.
func TestMirroredRequests(t *testing.T) {
	p := harness.Shared(t)
	p.RestoreAfter(t)
	a := p.Example(t)
	p.Set(t, "mirrorPercent", "100")
	p.Up(t)
	require.Contains(t, p.AttemptCommand(t, "canary", "status", "--stack", p.Stack).All, "100 % of the requests are mirrored to the canary")

	const requests = 200
	before := mirrored(t.Context(), t, a.Client)
	u := newUsers(t, a, requests)
	requireShare(t, u.visit(t), 0)
	harness.Eventually(t, 10*time.Second, func(ctx context.Context) error {
		if got := mirrored(ctx, t, a.Client) - before; got != requests {
			return fmt.Errorf("the canary answered %d copies of %d requests", got, requests)
		}
		return nil
	})
	a.RequireSplit(t, 0)
}

// mirrored is how many requests the canary's pods have answered to the gateways: with weight 0, copies.
func mirrored(ctx context.Context, t *testing.T, c *kube.Client) uint64 {
	t.Helper()
	admin := envoy.NewAdmin(c, release.App{Namespace: "app-example", Name: "app-example"})
	defer admin.Close()
	proxies, err := admin.List(ctx)
	require.NoError(t, err)
	var answered uint64
	for _, proxy := range proxies {
		if !proxy.Gateway {
			continue
		}
		endpoints, err := admin.Endpoints(ctx, proxy)
		require.NoError(t, err)
		for _, endpoint := range endpoints {
			if endpoint.Subset == release.Canary {
				answered += endpoint.Succeeded
			}
		}
	}
	return answered
}
