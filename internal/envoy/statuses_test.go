package envoy

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/kubetest"
	"canary/internal/release"
)

func TestParseStatuses(t *testing.T) {
	t.Parallel()
	const page = `{"stats":[
{"name":"cluster.outbound|80|stable|web.shop.svc.cluster.local;.upstream_rq_100","value":8},
{"name":"cluster.outbound|80|stable|web.shop.svc.cluster.local;.upstream_rq_101","value":1},
{"name":"cluster.outbound|80|stable|web.shop.svc.cluster.local;.upstream_rq_200","value":90},
{"name":"cluster.outbound|80|stable|web.shop.svc.cluster.local;.upstream_rq_429","value":4},
{"name":"cluster.outbound|80|stable|web.shop.svc.cluster.local;.retry.upstream_rq_503","value":2},
{"name":"cluster.outbound|80|stable|web.shop.svc.cluster.local;.upstream_rq_503","value":1},
{"name":"cluster.outbound|80|stable|web.shop.svc.cluster.local;.external.upstream_rq_503","value":1},
{"name":"cluster.outbound|80|canary|web.shop.svc.cluster.local.external.upstream_rq_501","value":3},
{"name":"cluster.outbound|80|canary|web.shop.svc.cluster.local.upstream_rq_501","value":3},
{"name":"cluster.outbound|80|canary|web.shop.svc.cluster.local.upstream_rq_total","value":3},
{"name":"cluster.outbound|80|canary|web.other.svc.cluster.local;.upstream_rq_500","value":7},
{"name":"cluster.outbound|80||web.shop.svc.cluster.local;.upstream_rq_500","value":7}]}`
	app := release.App{Namespace: "shop", Name: "web"}
	for _, tc := range []struct {
		failing Failing
		want    []Endpoint
	}{
		{Failing{"5xx"}, []Endpoint{{Subset: "stable", Succeeded: 95, Failed: 3}, {Subset: "canary", Failed: 3}}},
		{Failing{"5xx", "429"}, []Endpoint{{Subset: "stable", Succeeded: 91, Failed: 7}, {Subset: "canary", Failed: 3}}},
		{Failing{"500", "503"}, []Endpoint{{Subset: "stable", Succeeded: 95, Failed: 3}, {Subset: "canary", Succeeded: 3}}},
	} {
		counters, err := parseStatuses(strings.NewReader(page), app, tc.failing)
		require.NoError(t, err)
		require.Equal(t, tc.want, counters, tc.failing)
	}
	counters, err := parseStatuses(strings.NewReader(`{"stats":[]}`), app, Failing{"5xx"})
	require.NoError(t, err)
	require.Empty(t, counters, "a proxy that keeps no such statistic")
	_, err = parseStatuses(strings.NewReader("Counters"), app, nil)
	require.ErrorContains(t, err, "statistics:")
}

func TestFailing(t *testing.T) {
	t.Parallel()
	for _, good := range []Failing{nil, {"5xx"}, {"200", "4xx", "599"}} {
		require.Empty(t, good.Problem(), good)
	}
	for _, wrong := range []string{"", "5XX", "50x", "600", "1xx", "503 ", "0"} {
		require.Equal(t, `"`+wrong+`", allowed are statuses from 200 to 599 and classes from 2xx to 5xx, separated by commas, such as 5xx,429`, Failing{"5xx", wrong}.Problem())
	}
}

// What the proxies are told to keep is what is read of them, and little else.
func TestKept(t *testing.T) {
	t.Parallel()
	kept := regexp.MustCompile(Kept)
	const stable, canary = "cluster.outbound|80|stable|web.shop.svc.cluster.local;.", "cluster.outbound|80|canary|web.shop.svc.cluster.local."
	for _, name := range []string{stable + "upstream_rq_time", canary + "upstream_rq_time", stable + "upstream_rq_503", stable + "retry.upstream_rq_503", canary + "upstream_rq_200"} {
		require.True(t, kept.MatchString(name), name)
	}
	for _, name := range []string{
		stable + "upstream_rq_5xx", stable + "upstream_rq_total", stable + "upstream_rq_timeout", stable + "external.upstream_rq_503",
		"cluster.outbound|80||web.shop.svc.cluster.local;.upstream_rq_503", "cluster.xds-grpc.upstream_rq_200",
	} {
		require.False(t, kept.MatchString(name), name)
	}
}

func TestByStatus(t *testing.T) {
	t.Parallel()
	const sent = "outbound|80|stable|web.shop.svc.cluster.local::10.42.0.7:8080::rq_success::1\n"
	const failed = "outbound|80|stable|web.shop.svc.cluster.local::10.42.0.7:8080::rq_error::1\n"
	const counted = `{"stats":[{"name":"cluster.outbound|80|stable|web.shop.svc.cluster.local;.upstream_rq_200","value":1}]}`
	for _, tc := range []struct {
		name, clusters string
		stats          []string // the first look, and the second
		want           []Endpoint
		err            error
	}{
		{"counted", "", []string{counted}, []Endpoint{{Subset: "stable", Succeeded: 1}}, nil},
		{"nothing sent", "", []string{"{}"}, nil, nil},
		{"sent between the looks", sent, []string{"{}", counted}, []Endpoint{{Subset: "stable", Succeeded: 1}}, nil},
		{"on the way", failed, []string{"{}"}, nil, nil},
		{"not kept", sent, []string{"{}", "{}"}, nil, ErrNotKept},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			stats := tc.stats
			envoy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer := tc.clusters
				if r.URL.Path == "/stats" {
					answer, stats = stats[0], stats[1:]
				}
				_, _ = io.WriteString(w, answer)
			}))
			defer envoy.Close()
			proxies := ByStatus{Admin: NewAdmin(kubetest.API(t, nil), release.App{Namespace: "shop", Name: "web"}), Failing: Failing{"5xx"}}
			defer proxies.Close()
			p := Proxy{Pod: "g", Gateway: true, Ready: true}
			proxies.pages(p).Client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", envoy.Listener.Addr().String())
			}}
			got, err := proxies.Endpoints(t.Context(), p)
			require.ErrorIs(t, err, tc.err)
			require.Equal(t, tc.want, got)
			require.Empty(t, stats, "all was read")
		})
	}
}
