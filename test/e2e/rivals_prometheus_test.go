//go:build e2e && rivals

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"canary/internal/envoy"
	"canary/internal/kube"
	"canary/test/e2e/harness"
)

const (
	scrapeInterval = "2s"
	// measuredLabel is on the pods whose sidecars are scraped; hashLabel tells the versions of a Rollout apart.
	measuredLabel = "measured"
	hashLabel     = "rollouts-pod-template-hash"
	// inbound matches the statistics of what a sidecar sends to its own app, as Kept does those of a subset.
	inbound = `^cluster\.inbound\|8080\|\|;?\.upstream_rq_(time|[2-5][0-9][0-9])$`
)

// The counters of Envoy itself for the requests that a proxy sent to a subset's pods, by status.
const (
	ownRequests = `envoy_cluster_upstream_rq{cluster_name="outbound|80|${subset}|${app}.${namespace}.svc.cluster.local"}[1m]`
	ownFailures = `envoy_cluster_upstream_rq{cluster_name="outbound|80|${subset}|${app}.${namespace}.svc.cluster.local",response_code=~"5.."}[1m]`
)

// scrapeApp runs a Prometheus that scrapes the sidecars of the rivals' pods, and gives its address.
func scrapeApp(t *testing.T, c *kube.Client) string {
	t.Helper()
	e := &exporter{client: c, pages: c.PageSet(15000)}
	t.Cleanup(e.pages.Close)
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	return startPrometheus(t, fmt.Sprintf("{job_name: sidecars, static_configs: [{targets: ['%s']}]}", strings.TrimPrefix(server.URL, "http://")))
}

// scrapeGateway runs a Prometheus that scrapes the pods of the ingress gateway, and gives its address.
func scrapeGateway(t *testing.T, c *kube.Client) string {
	t.Helper()
	const port = 15090
	w := &wayToPods{client: c, port: port, pages: c.PageSet(port)}
	t.Cleanup(w.pages.Close)
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	return startPrometheus(t, fmt.Sprintf("{job_name: gateway, metrics_path: /stats/prometheus, proxy_url: '%s', http_sd_configs: [{url: '%[1]s/targets', refresh_interval: %s}]}", server.URL, scrapeInterval))
}

// startPrometheus runs a Prometheus with a scrape config, until the test is over, and gives its address.
func startPrometheus(t *testing.T, scrape string) string {
	t.Helper()
	dir, address := t.TempDir(), fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	config := fmt.Sprintf("global: {scrape_interval: %s, scrape_timeout: %[1]s}\nscrape_configs: [%s]\n", scrapeInterval, scrape)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.yml"), []byte(config), 0o600))
	runBeside(t, "prometheus", "--config.file="+filepath.Join(dir, "config.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	harness.Eventually(t, time.Minute, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/-/ready", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("Prometheus answers %s", response.Status)
		}
		return nil
	})
	return "http://" + address
}

// wayToPods takes a Prometheus outside the cluster to the pods of the ingress gateway: it lists them as targets, and is the
// HTTP proxy by which their addresses are reached.
type wayToPods struct {
	client *kube.Client
	port   int
	pages  *kube.PageSet
}

func (w *wayToPods) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	pods, err := w.client.Pods(r.Context(), harness.MeshNamespace, "istio=ingressgateway")
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadGateway)
		return
	}
	if !r.URL.IsAbs() {
		targets := []string{}
		for _, pod := range pods {
			targets = append(targets, fmt.Sprintf("%s:%d", pod.Status.PodIP, w.port))
		}
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode([]map[string]any{{"targets": targets}})
		return
	}
	for _, pod := range pods {
		if pod.Status.PodIP == r.URL.Hostname() {
			err := w.pages.Of(string(pod.UID), pod.Namespace, pod.Name).Get(r.Context(), r.URL.Path, 16<<20, func(page io.Reader) error {
				_, err := io.Copy(rw, page)
				return err
			})
			if err != nil {
				http.Error(rw, err.Error(), http.StatusBadGateway)
			}
			return
		}
	}
	http.NotFound(rw, r)
}

// exporter gives what the sidecars of the app's pods count under the names of Istio's metrics.
type exporter struct {
	client *kube.Client
	pages  *kube.PageSet
}

func (e *exporter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	pods, err := e.client.Pods(r.Context(), "", measuredLabel)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 1500*time.Millisecond)
	defer cancel()
	texts := make([]string, len(pods))
	var group sync.WaitGroup
	for i, pod := range pods {
		// A pod that is just starting or ending has nothing to tell.
		group.Go(func() { texts[i], _ = e.metrics(ctx, pod) })
	}
	group.Wait()
	fmt.Fprint(w, strings.Join(texts, ""))
}

// metrics are those of a pod.
func (e *exporter) metrics(ctx context.Context, pod corev1.Pod) (string, error) {
	labels := fmt.Sprintf(`reporter="destination",destination_workload_namespace=%q,destination_workload=%q,pod=%q,%s=%q`,
		pod.Namespace, pod.Labels["app.kubernetes.io/name"], pod.Name, strings.ReplaceAll(hashLabel, "-", "_"), pod.Labels[hashLabel])
	var b strings.Builder
	for _, kind := range []string{"Counters", "Histograms"} {
		query := url.Values{"format": {"json"}, "histogram_buckets": {"disjoint"}, "type": {kind}, "filter": {inbound}}
		err := e.pages.Of(string(pod.UID), pod.Namespace, pod.Name).Get(ctx, "/stats?"+query.Encode(), 1<<20, func(page io.Reader) error {
			return writeMetrics(&b, page, labels)
		})
		if err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

var statusEnd = regexp.MustCompile(`[2-5][0-9][0-9]$`)

// writeMetrics writes statistics of Envoy as metrics of Istio.
func writeMetrics(w io.Writer, page io.Reader, labels string) error {
	var parsed struct {
		Stats []struct {
			Name       string
			Value      uint64
			Histograms []struct {
				Buckets []struct {
					UpperBound float64 `json:"upper_bound"`
					Cumulative uint64  // since the proxy was started
				}
			}
		}
	}
	if err := json.NewDecoder(page).Decode(&parsed); err != nil {
		return err
	}
	for _, stat := range parsed.Stats {
		if status := statusEnd.FindString(stat.Name); status != "" {
			fmt.Fprintf(w, "istio_requests_total{%s,response_code=%q} %d\n", labels, status, stat.Value)
		}
		for _, histogram := range stat.Histograms {
			times := envoy.Times{}
			for _, bucket := range histogram.Buckets {
				times[bucket.UpperBound] = bucket.Cumulative
			}
			_, all := times.Over(0)
			for _, bound := range envoy.Bounds {
				over, _ := times.Over(bound)
				fmt.Fprintf(w, "istio_request_duration_milliseconds_bucket{%s,le=\"%g\"} %d\n", labels, bound, all-over)
			}
			fmt.Fprintf(w, "istio_request_duration_milliseconds_bucket{%s,le=\"+Inf\"} %d\n", labels, all)
		}
	}
	return nil
}
