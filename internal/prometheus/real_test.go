//go:build prometheus

package prometheus

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/meter"
)

// exporter shows counters as a proxy does, while it is up.
type exporter struct {
	address string
	server  *http.Server

	mu     sync.Mutex
	counts map[string]int // by workload and status
}

func (e *exporter) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	fmt.Fprintln(w, "# TYPE istio_requests_total counter\n# TYPE odd gauge\nodd{workload=\"web\"} NaN\nodd{workload=\"web-canary\"} 0.5")
	for _, name := range slices.Sorted(maps.Keys(e.counts)) {
		workload, status, _ := strings.Cut(name, " ")
		fmt.Fprintf(w, "istio_requests_total{reporter=\"source\",destination_workload_namespace=\"shop\",destination_workload=%q,response_code=%q} %d\n", workload, status, e.counts[name])
	}
}

func (e *exporter) add(more map[string]int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, n := range more {
		e.counts[name] += n
	}
}

func (e *exporter) start(t *testing.T, counts map[string]int) {
	t.Helper()
	e.counts, e.server = counts, &http.Server{Handler: e, ReadHeaderTimeout: time.Second}
	listener, err := net.Listen("tcp", e.address)
	require.NoError(t, err)
	e.address = listener.Addr().String()
	go func() { _ = e.server.Serve(listener) }()
	t.Cleanup(e.stop)
}

func (e *exporter) stop() { _ = e.server.Close() }

// startPrometheus runs the program that the PATH has, with the storage in a folder.
func startPrometheus(t *testing.T, folder, address string) *os.Process {
	t.Helper()
	log, err := os.Create(filepath.Join(folder, "log"))
	require.NoError(t, err)
	cmd := exec.Command("prometheus", "--config.file="+filepath.Join(folder, "config.yml"), "--storage.tsdb.path="+filepath.Join(folder, "data"), "--web.listen-address="+address)
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool {
		resp, err := http.Get("http://" + address + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, time.Minute, 100*time.Millisecond)
	return cmd.Process
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

// What is scraped, how it is asked for, and what goes wrong are all real here; it takes a
// minute, and the program `prometheus`.
func TestRealPrometheus(t *testing.T) {
	t.Parallel()
	proxy := &exporter{address: "127.0.0.1:0"}
	proxy.start(t, map[string]int{"web 200": 1000, "web 503": 10, "web-canary 200": 20})
	folder, address := t.TempDir(), freeAddress(t)
	config := "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs: [{job_name: proxies, static_configs: [{targets: ['" + proxy.address + "']}]}]\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "config.yml"), []byte(config), 0o600))
	process := startPrometheus(t, folder, address)
	begin := time.Now()
	tell := func(what string, reading meter.Reading) {
		t.Logf("%5.1f s  %s: stable %v, canary %v, doubts %q, gaps %q", time.Since(begin).Seconds(), what, reading.Stable, reading.Canary, reading.Doubts, reading.Gaps)
	}
	counter := func(requests, failures string) *Counter {
		c, err := New(Source{Address: "http://" + address, Requests: requests, Failures: failures}, Access{}, nil, shop)
		require.NoError(t, err)
		t.Cleanup(c.Close)
		return c
	}
	c := counter(DefaultRequests, DefaultFailures)
	until := func(what string, holds func(meter.Reading) bool) {
		t.Helper()
		var reading meter.Reading
		require.Eventually(t, func() bool { reading = read(t, c); return holds(reading) }, 30*time.Second, 200*time.Millisecond, "%s: %v", what, &reading)
		tell(what, reading)
	}
	counts := func(want meter.Reading) func(meter.Reading) bool {
		return func(r meter.Reading) bool {
			return r.Stable == want.Stable && r.Canary == want.Canary && len(r.Doubts) == 0
		}
	}
	doubts := func(want string) func(meter.Reading) bool {
		return func(r meter.Reading) bool { return strings.Contains(strings.Join(r.Doubts, "\n"), want) }
	}
	afterScrape := func() { time.Sleep(2500 * time.Millisecond) }

	afterScrape()
	startCounting(t, c)
	afterScrape()
	until("what was before", counts(counted(0, 0, 0, 0)))
	proxy.add(map[string]int{"web 200": 100, "web 503": 3, "web-canary 200": 50, "web-canary 503": 5, "web-canary 0": 2})
	until("requests, some to new statuses", counts(counted(103, 3, 57, 7)))

	proxy.stop()
	proxy.start(t, map[string]int{"web 200": 7, "web-canary 503": 1})
	until("the proxy was started anew", counts(counted(110, 3, 58, 8)))

	proxy.stop()
	until("the proxy is down", doubts("it cannot scrape target "+proxy.address+" of job proxies"))
	proxy.start(t, map[string]int{"web 200": 3})
	until("the proxy is up again", counts(counted(113, 3, 58, 8)))

	require.NoError(t, process.Signal(syscall.SIGSTOP))
	until("Prometheus is slow", doubts("no answer within 5s"))
	require.NoError(t, process.Signal(syscall.SIGCONT))
	until("Prometheus answers again", counts(counted(113, 3, 58, 8)))

	require.NoError(t, process.Signal(syscall.SIGTERM))
	until("Prometheus is stopped", doubts("connection refused"))
	proxy.add(map[string]int{"web-canary 200": 4})
	time.Sleep(10 * time.Second)
	startPrometheus(t, folder, address)
	tell("Prometheus was just started", read(t, c))
	until("Prometheus scrapes again", counts(counted(113, 3, 62, 8)))

	const named = `istio_requests_total{destination_workload="${workload}"}`
	for _, tc := range []struct{ requests, failures, want string }{
		{`istio_requests_total{${workload}`, DefaultFailures, "the query is wrong (invalid parameter \"query\": 1:"},
		{`sum(` + named + `)`, DefaultFailures, "--query-requests gives a vector"},
		{`rate(` + named + `[1m])`, DefaultFailures, "--query-requests gives a vector"},
		{`scalar(` + named + `)`, DefaultFailures, "--query-requests gives a scalar"},
		{`sum(` + named + `)[5m:1s]`, DefaultFailures, "--query-requests gives series without a name"},
		{`odd{workload="${workload}"}[5m]`, DefaultFailures, "and that is no number of requests"},
		{named + `[5m]`, named, "--query-failures gives a vector"},
	} {
		err := startError(t, counter(tc.requests, tc.failures))
		require.ErrorContains(t, err, tc.want)
		t.Logf("%5.1f s  %v", time.Since(begin).Seconds(), err)
	}
	const misspelt = `istio_request_total{destination_workload="${workload}"}[5m]`
	c = counter(misspelt, misspelt)
	startCounting(t, c)
	until("a name that is not there", doubts("it has no counter of requests to canary"))
}
