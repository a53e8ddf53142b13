package prometheus

import (
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/release"
)

func TestSplitAddress(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ given, address, user string }{
		{"monitoring/prometheus-operated:9090", "monitoring/prometheus-operated:9090", ""},
		{"http://127.0.0.1:9090", "http://127.0.0.1:9090", ""},
		{"https://ann:secret@prometheus.example.com/path/", "https://prometheus.example.com/path", "ann:secret"},
	} {
		address, user, err := SplitAddress(tc.given)
		require.NoError(t, err)
		require.Equal(t, tc.address, address)
		require.Equal(t, tc.user, user.String())
	}
	for _, given := range []string{"prometheus:9090", "a/b", "a/b:0", "a/b:65536", "a/B:1", "ftp://host", "http://", "http:///path"} {
		_, _, err := SplitAddress(given)
		require.ErrorContains(t, err, `--prometheus is "`+given+`", allowed is a URL such as`)
	}
	for _, given := range []string{
		"ann:secret@host:9090", "http://ann:sec%ret@host", "http://ann:?secret@host", "http://host?token=secret", "https://host/#secret", "ftp://ann:secret@host", "http://ann:secret@",
	} {
		_, _, err := SplitAddress(given)
		require.ErrorContains(t, err, "--prometheus is not shown here, since it may hold credentials, allowed is")
		require.NotContains(t, err.Error(), "sec")
	}
}

func TestQueries(t *testing.T) {
	t.Parallel()
	const named = `istio_requests_total{reporter="source",destination_workload_namespace="shop",destination_workload="`
	require.Equal(t, named+`web",response_code!=""}[5m]`, expand(DefaultRequests, shop, release.Stable))
	require.Equal(t, named+`web-canary",response_code=~"5..|0"}[5m]`, expand(DefaultFailures, shop, release.Canary))
	require.Equal(t, `x{a="web",b="canary",c=~"5..$"}[1m]`, expand(`x{a="${app}",b="${subset}",c=~"5..$"}[1m]`, shop, release.Canary))

	require.Empty(t, Source{Requests: DefaultRequests, Failures: DefaultFailures}.Problems())
	require.Equal(t, []string{
		"--query-requests has the variable ${pod}, allowed are ${namespace}, ${app}, ${subset}, ${workload}",
		`--query-failures is "x[5m]", and has to tell the subsets apart, by ${workload} or ${subset}`,
	}, Source{Requests: `x{a="${subset}",b="${pod}"}[5m]`, Failures: "x[5m]"}.Problems())
}
