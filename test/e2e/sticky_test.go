//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"canary/internal/release"
	"canary/internal/traffic"
	"canary/test/e2e/harness"
)

var envoyFilters = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1alpha3", Resource: "envoyfilters"}

// TestStickyUsers takes 5 000 users with a cookie jar each through growing weights: who had the canary keeps it, the
// shares are true at each step, and at weight 0 everybody is back at once. Requests without a cookie split as ever.
func TestStickyUsers(t *testing.T) {
	p := harness.Shared(t)
	p.RestoreAfter(t)
	a := p.Example(t)
	const cookie = "e2e-version"
	p.SetAll(t, "stickyCookie="+cookie, "canaryWeight=10")
	p.Up(t)
	require.Contains(t, p.AttemptCommand(t, "canary", "status", "--stack", p.Stack).All, "users are kept on a version by the cookie "+cookie)

	u := newUsers(t, a, 5000)
	before := u.visit(t)
	u.requireCookie(t, cookie)
	requireShare(t, before, 10)
	require.Equal(t, before, u.visit(t), "a second visit")
	for _, weight := range []string{"12.5", "50"} {
		p.Set(t, "canaryWeight", weight)
		p.Up(t)
		now := u.visit(t)
		for i := range now {
			require.False(t, before[i] == release.Canary && now[i] == release.Stable, "user %d went back at weight %s", i, weight)
		}
		share, err := strconv.ParseFloat(weight, 64)
		require.NoError(t, err)
		requireShare(t, now, share)
		before = now
	}
	a.RequireSplit(t, 50)

	p.Set(t, "canaryWeight", "0")
	p.Up(t)
	requireShare(t, u.visit(t), 0)
	p.VerifyNoChanges(t)

	p.Pulumi(t, "config", "rm", "stickyCookie")
	p.Up(t)
	left, err := harness.Objects(a.Client, envoyFilters, "istio-system").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Empty(t, left.Items)
	a.RequireSplit(t, 0)
}

// requireShare compares how many users have the canary with a percentage.
func requireShare(t *testing.T, versions []string, percent float64) {
	t.Helper()
	canary := 0
	for _, version := range versions {
		if version == release.Canary {
			canary++
		}
	}
	lower, upper := traffic.Bound(len(versions), percent/100, traffic.Confidence)
	t.Logf("%d of %d users have the canary at %v %%, bound %d to %d", canary, len(versions), percent, lower, upper)
	require.GreaterOrEqual(t, canary, lower)
	require.LessOrEqual(t, canary, upper)
}

// users keep the cookies that they get; they share some connections.
type users struct {
	url     *url.URL
	clients []*http.Client
}

func newUsers(t *testing.T, a harness.App, number int) users {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", a.Port)
	transport := &http.Transport{MaxIdleConnsPerHost: visitors, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	u := users{url: &url.URL{Scheme: "http", Host: a.Host, Path: "/"}}
	for range number {
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		u.clients = append(u.clients, &http.Client{Transport: transport, Jar: jar, Timeout: 10 * time.Second})
	}
	return u
}

// visitors is how many users visit at the same time.
const visitors = 16

// visit is which version answers each of them.
func (u users) visit(t *testing.T) []string {
	t.Helper()
	versions := make([]string, len(u.clients))
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(visitors)
	for i, client := range u.clients {
		group.Go(func() (err error) {
			versions[i], err = versionOf(ctx, client, u.url.String(), "")
			return err
		})
	}
	require.NoError(t, group.Wait())
	return versions
}

// requireCookie fails the test unless each of them has it.
func (u users) requireCookie(t *testing.T, name string) {
	t.Helper()
	for i, client := range u.clients {
		cookies := client.Jar.Cookies(u.url)
		require.Len(t, cookies, 1, "user %d", i)
		require.Equal(t, name, cookies[0].Name)
		require.NotEmpty(t, cookies[0].Value)
	}
}

// versionOf is what the example app says of itself to a request, with a header NAME=VALUE unless that is empty.
func versionOf(ctx context.Context, client *http.Client, address, header string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	if name, value, found := strings.Cut(header, "="); found {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	var answer struct{ Subset string }
	err = json.NewDecoder(response.Body).Decode(&answer)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return "", fmt.Errorf("status %d: %w", response.StatusCode, err)
	}
	return answer.Subset, nil
}
