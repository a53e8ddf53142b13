package envoy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/release"
)

func TestParseTimes(t *testing.T) {
	t.Parallel()
	const page = `{"stats":[{"histograms":[
{"name":"cluster.outbound|80|stable|web.shop.svc.cluster.local;.external.upstream_rq_time","buckets":[{"upper_bound":5,"interval":0,"cumulative":9}]},
{"name":"cluster.outbound|80|stable|web.shop.svc.cluster.local;.upstream_rq_time","buckets":[{"upper_bound":0.5,"interval":0,"cumulative":0},{"upper_bound":5,"interval":1,"cumulative":9}]},
{"name":"cluster.outbound|80|canary|web.shop.svc.cluster.local.upstream_rq_time","buckets":[{"upper_bound":10,"interval":0,"cumulative":4},{"upper_bound":3e+05,"interval":0,"cumulative":1}]},
{"name":"cluster.outbound|80|canary|web.shop.svc.cluster.local.internal.upstream_rq_time","buckets":[{"upper_bound":10,"interval":0,"cumulative":1}]},
{"name":"cluster.outbound|80|canary|web.other.svc.cluster.local;.upstream_rq_time","buckets":[{"upper_bound":10,"interval":0,"cumulative":4}]}]}]}`
	app := release.App{Namespace: "shop", Name: "web"}
	times, err := parseTimes(strings.NewReader(page), app)
	require.NoError(t, err)
	require.Equal(t, map[string]Times{"stable": {5: 9}, "canary": {10: 4, 300000: 1}}, times)
	slow, all := times["canary"].Over(10)
	require.EqualValues(t, 1, slow)
	require.EqualValues(t, 5, all)

	times, err = parseTimes(strings.NewReader(`{"stats":[]}`), app)
	require.NoError(t, err)
	require.Empty(t, times, "a proxy that keeps no such statistic")
	_, err = parseTimes(strings.NewReader("Histograms"), app)
	require.ErrorContains(t, err, "statistics:")
}
