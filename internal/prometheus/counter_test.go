package prometheus

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCounter(t *testing.T) {
	t.Parallel()
	f := newFakePrometheus(t)
	f.scrape("a", map[string]float64{"web 200": 1000, "web 503": 10, "web-canary 200": 20})
	f.scrape("a", map[string]float64{"web 200": 1100, "web 503": 10, "web-canary 200": 20})
	c := f.counter(t, Access{})
	startCounting(t, c)
	require.Equal(t, counted(0, 0, 0, 0), read(t, c), "what was before does not count")

	f.scrape("a", map[string]float64{"web 200": 1200, "web 503": 12, "web-canary 200": 25})
	require.Equal(t, counted(0, 0, 0, 0), read(t, c), "some of it may be of before")
	f.scrape("a", map[string]float64{"web 200": 1300, "web 503": 13, "web-canary 200": 30, "web-canary 0": 2})
	want := counted(101, 1, 7, 2)
	require.Equal(t, want, read(t, c), "a counter that came counts from nothing")
	require.Equal(t, want, read(t, c), "no sample counts twice")

	asked := len(f.asked)
	again, err := c.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, again)
	require.Len(t, f.asked, asked, "there was a look just now")

	f.scrape("a", map[string]float64{"web 200": 40, "web-canary 200": 31, "web-canary 0": 3})
	f.scrape("a", map[string]float64{"web 200": 1400, "web 503": 1, "web-canary 200": 32, "web-canary 0": 3})
	require.Equal(t, counted(1502, 2, 10, 3), read(t, c), "a proxy was started anew, and counts on")

	f.scrape("b", map[string]float64{"web 200": 7, "web-canary 500": 1})
	require.Equal(t, counted(1502, 2, 10, 3), read(t, c), "a target's first scrape")
	f.scrape("b", map[string]float64{"web 200": 9, "web-canary 500": 4})
	require.Equal(t, counted(1504, 2, 13, 6), read(t, c))

	startCounting(t, c)
	require.Equal(t, counted(0, 0, 0, 0), read(t, c), "a new beginning")
}

// A gateway's pod ends, and another one takes its place.
func TestTargetThatEnded(t *testing.T) {
	t.Parallel()
	f := newFakePrometheus(t)
	for range 2 {
		f.scrape("a", map[string]float64{"web 200": 1, "web-canary 200": 1})
	}
	c := f.counter(t, Access{})
	startCounting(t, c)
	f.scrape("a", map[string]float64{"web 200": 1, "web-canary 200": 1})
	f.scrape("a", map[string]float64{"web 200": 5, "web-canary 200": 5})
	require.Equal(t, counted(4, 0, 4, 0), read(t, c))
	delete(f.up, "a")
	f.now = f.now.Add(time.Minute)
	reading := read(t, c)
	require.Contains(t, reading.Doubts[0], "its newest counters are 1m1s old: does it still scrape the proxies?")
	const gap = "target a of job proxies ended, or was started anew: what it counted after its last scrape is missing"
	require.Equal(t, []string{gap}, reading.Gaps)
	f.scrape("b", map[string]float64{"web 200": 1})
	f.scrape("b", map[string]float64{"web 200": 1, "web-canary 200": 2})
	want := counted(4, 0, 6, 0)
	want.Gaps = []string{gap}
	require.Equal(t, want, read(t, c), "told once")
}

func TestDoubts(t *testing.T) {
	t.Parallel()
	vector := `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"istio_requests_total"},"value":[1800000000,"5"]}]}}`
	matrix := func(labels, value string) string {
		return `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{` + labels + `},"values":[[1800000000.123,"` + value + `"]]}]}}`
	}
	const requests, failures, named = `web",response_code!=""}[5m]`, `5..|0"}[5m]`, `"__name__":"istio_requests_total"`
	for _, tc := range []struct {
		name, query, answer string
		status              int
		want                string
	}{
		{"wrong query", requests, `{"status":"error","errorType":"bad_data","error":"1:5: parse error: unexpected end"}`, 400, `the query is wrong (1:5: parse error: unexpected end); asked was istio_requests_total{reporter="source",destination_workload_namespace="shop",destination_workload="web",response_code!=""}[5m]`},
		{"cannot be evaluated", failures, `{"status":"error","errorType":"execution","error":"too many samples"}`, 422, `execution: too many samples; asked was istio_requests_total{`},
		{"starting", "time()", `Service Unavailable`, 503, `server error: 503 Service Unavailable; asked was time()`},
		{"not allowed", "time()", `no`, 401, `client error: 401 no; the user in --prometheus, or the token in CANARY_PROMETHEUS_TOKEN, is missing or wrong`},
		{"a login page", "time()", `<html>`, 302, `bad response code 302 <html>`},
		{"no Prometheus", "time()", `<html>`, 200, `bad_response`},
		{"a vector", requests, vector, 200, `--query-requests gives a vector, and counters with their samples are needed: it has to be a selector that ends with a time, such as [5m]`},
		{"a scalar", failures, `{"status":"success","data":{"resultType":"scalar","result":[1800000000,"5"]}}`, 200, `--query-failures gives a scalar`},
		{"a clock that is none", "time()", vector, 200, `the query time() gives a vector`},
		{"a sum", requests, matrix("", "5"), 200, `--query-requests gives series without a name`},
		{"not a number", requests, matrix(named, "NaN"), 200, `--query-requests gives the value NaN, and that is no number of requests: istio_requests_total`},
		{"half a request", requests, matrix(named, "1.5"), 200, `gives the value 1.5`},
		{"infinitely many", requests, matrix(named, "+Inf"), 200, `gives the value +Inf`},
		{"partial", requests, `{"status":"success","warnings":["one store did not answer"],"data":{"resultType":"matrix","result":[]}}`, 200, `the answer may lack something: one store did not answer`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFakePrometheus(t)
			for range 2 {
				f.scrape("a", map[string]float64{"web 200": 1, "web-canary 200": 1})
			}
			c := f.counter(t, Access{})
			startCounting(t, c)
			for i := range 2 {
				f.scrape("a", map[string]float64{"web 200": 10 * float64(i), "web-canary 200": float64(i)})
			}
			want := read(t, c)
			require.Empty(t, want.Doubts)
			f.scrape("a", map[string]float64{"web 200": 100, "web-canary 200": 3, "web-canary 500": 3})
			f.answers[tc.query], f.status = tc.answer, tc.status
			reading := read(t, c)
			require.Len(t, reading.Doubts, 1)
			require.Contains(t, reading.Doubts[0], "Prometheus at "+f.URL+": ")
			require.Contains(t, reading.Doubts[0], tc.want)
			if tc.name == "partial" {
				return
			}
			reading.Doubts = nil
			require.Equal(t, want, reading, "the counts are those of before")
			clear(f.answers)
			require.Equal(t, counted(100, 0, 6, 3), read(t, c), "what was missed comes later")
		})
	}
}

func TestNothingCounted(t *testing.T) {
	t.Parallel()
	f := newFakePrometheus(t)
	c := f.counter(t, Access{})
	startCounting(t, c)
	reading := read(t, c)
	require.Len(t, reading.Doubts, 2)
	require.Contains(t, reading.Doubts[1], `it has no counter of requests to canary: none came yet, or it does not scrape the proxies that send them (port 15090, path /stats/prometheus), `+
		`or the query does not fit; asked was istio_requests_total{reporter="source",destination_workload_namespace="shop",destination_workload="web-canary",response_code!=""}[5m]`)
	f.scrape("a", map[string]float64{"web 200": 1, "web-canary 200": 1})
	require.Empty(t, read(t, c).Doubts)
	f.now = f.now.Add(time.Hour)
	require.Contains(t, read(t, c).Doubts[0], "it has not scraped target a of job proxies for 1h0m1s")
}

func TestLateTarget(t *testing.T) {
	t.Parallel()
	f := newFakePrometheus(t)
	c := f.counter(t, Access{})
	both := func(a bool) {
		if a {
			f.scrape("a", map[string]float64{"web 200": 1})
		}
		f.scrape("b", map[string]float64{"web-canary 200": 1})
	}
	both(true)
	both(true)
	startCounting(t, c)
	both(true)
	require.Empty(t, read(t, c).Doubts)
	f.now = f.now.Add(time.Minute)
	both(false)
	require.Contains(t, read(t, c).Doubts[0], "it has not scraped target a of job proxies for 1m31s")
	f.up["a"].Value, f.up["a"].Timestamp = 0, f.now
	require.Contains(t, read(t, c).Doubts[0], "it cannot scrape target a of job proxies, whose counters are 1m31s old")
	f.up["a"].Value = 1
	reading := read(t, c)
	require.Empty(t, reading.Doubts, "a proxy that has not counted since it was started anew is not late")
	require.Len(t, reading.Gaps, 1)
}

// A query of failures that is not a part of that of requests would hide them.
func TestStrayFailures(t *testing.T) {
	t.Parallel()
	f := newFakePrometheus(t)
	c := f.counter(t, Access{})
	startCounting(t, c)
	f.scrape("a", map[string]float64{"web 200": 1, "web-canary 200": 1})
	f.answers[`web-canary",response_code=~"5..|0"}[5m]`] = `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"errors"},"values":[[1800000000.123,"1"]]}]}}`
	require.Empty(t, read(t, c).Doubts, "it may have come between the two queries")
	require.Contains(t, read(t, c).Doubts[0], "--query-failures gives a counter that --query-requests does not, and failures have to be among the requests: errors")
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	f := newFakePrometheus(t)
	c := f.counter(t, Access{})
	f.Close()
	require.ErrorContains(t, startError(t, c), "connection refused; asked was time()")
	require.Contains(t, read(t, c).Doubts[0], "connection refused; asked was time()")
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	const password, token = "correct horse", "battery staple"
	for _, tc := range []struct {
		name, want string
		access     Access
	}{
		{"user", "Basic YW5uOmNvcnJlY3QgaG9yc2U=", Access{User: url.UserPassword("ann", password)}},
		{"token", "Bearer " + token, Access{Token: token}},
		{"none", "", Access{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFakePrometheus(t)
			c := f.counter(t, tc.access)
			startCounting(t, c)
			require.Equal(t, tc.want, f.headers[0].Get("Authorization"))
			f.answers["time()"], f.status = "told me "+strings.Repeat(password+" and "+token+" ", 20), http.StatusForbidden
			doubt := read(t, c).Doubts[0]
			require.Contains(t, doubt, "told me ")
			if tc.access.User != nil {
				require.NotContains(t, doubt, password[:7])
			}
			if tc.access.Token != "" {
				require.NotContains(t, doubt, token[:7])
			}
		})
	}
}

// Whoever is sent to by a redirect must not get the credentials.
func TestRedirect(t *testing.T) {
	t.Parallel()
	other := newFakePrometheus(t)
	f := newFakePrometheus(t)
	f.Config.Handler = http.RedirectHandler(other.URL+"/api/v1/query", http.StatusTemporaryRedirect)
	c := f.counter(t, Access{Token: "x"})
	require.ErrorContains(t, startError(t, c), "bad response code 307")
	require.Empty(t, other.asked)
}
