package envoy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/release"
)

func TestParseEndpoints(t *testing.T) {
	t.Parallel()
	const page = `outbound|80|stable|web.shop.svc.cluster.local::observability_name::outbound|80|stable|web.shop.svc.cluster.local;
outbound|80|stable|web.shop.svc.cluster.local::default_priority::max_connections::4294967295
outbound|80|stable|web.shop.svc.cluster.local::10.42.0.7:8080::cx_active::2
outbound|80|stable|web.shop.svc.cluster.local::10.42.0.7:8080::rq_error::1
outbound|80|stable|web.shop.svc.cluster.local::10.42.0.7:8080::rq_success::41
outbound|80|stable|web.shop.svc.cluster.local::10.42.0.7:8080::rq_total::43
outbound|80|stable|web.shop.svc.cluster.local::10.42.0.8:8080::rq_success::5
outbound|80|canary|web.shop.svc.cluster.local::[fd00::17]:8080::rq_success::3
outbound|80|canary|web.shop.svc.cluster.local::[fd00::17]:8080::rq_error::9
outbound|80||web.shop.svc.cluster.local::10.42.0.7:8080::rq_success::100
outbound|80|canary|web.other.svc.cluster.local::10.42.0.9:8080::rq_success::100
outbound|80|canary|web.shop.svc.cluster.local::10.42.0.9:8080::rq_success::soon
xds-grpc::127.0.0.1:15012::rq_success::7
`
	got, err := parseEndpoints(strings.NewReader(page), release.App{Namespace: "shop", Name: "web"})
	require.NoError(t, err)
	require.Equal(t, []Endpoint{
		{Subset: "stable", Address: "10.42.0.7:8080", Succeeded: 41, Failed: 1},
		{Subset: "stable", Address: "10.42.0.8:8080", Succeeded: 5},
		{Subset: "canary", Address: "[fd00::17]:8080", Succeeded: 3, Failed: 9},
	}, got)
}
