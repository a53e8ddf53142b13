package prometheus

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"canary/internal/judge"
	"canary/internal/meter"
	"canary/internal/release"
)

var shop = release.App{Namespace: "shop", Name: "web"}

// fakePrometheus has what was scraped, and answers as a Prometheus does.
type fakePrometheus struct {
	*httptest.Server
	mu      sync.Mutex
	now     model.Time
	series  []*model.SampleStream
	up      map[string]*model.Sample // by instance
	answers map[string]string        // in the place of a true answer, by a part of the query
	status  int                      // of those
	asked   []string
	headers []http.Header
}

func newFakePrometheus(t *testing.T) *fakePrometheus {
	t.Helper()
	f := &fakePrometheus{now: 1_800_000_000_000, up: map[string]*model.Sample{}, answers: map[string]string{}, status: http.StatusOK}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakePrometheus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	query := r.FormValue("query")
	f.asked, f.headers = append(f.asked, query), append(f.headers, r.Header)
	w.Header().Set("Content-Type", "application/json")
	for part, answer := range f.answers {
		if strings.Contains(query, part) {
			w.WriteHeader(f.status)
			_, _ = w.Write([]byte(answer))
			return
		}
	}
	_, _ = fmt.Fprintf(w, `{"status":"success","data":%s}`, f.evaluate(query))
}

func (f *fakePrometheus) evaluate(query string) string {
	switch {
	case query == "time()":
		return fmt.Sprintf(`{"resultType":"scalar","result":[%[1]v,"%[1]v"]}`, f.now)
	case strings.HasPrefix(query, "up{"), strings.HasPrefix(query, "timestamp(up{"):
		vector := model.Vector{}
		for _, last := range f.up {
			sample := *last
			if sample.Timestamp = f.now; strings.HasPrefix(query, "timestamp") {
				sample.Value = model.SampleValue(last.Timestamp) / 1000
			}
			vector = append(vector, &sample)
		}
		return result(vector)
	}
	matrix := model.Matrix{}
	for _, series := range f.series {
		if !strings.Contains(query, `destination_workload="`+string(series.Metric["destination_workload"])+`"`) ||
			strings.Contains(query, "response_code=~") && series.Metric["response_code"] != "0" && series.Metric["response_code"][0] != '5' {
			continue
		}
		within := &model.SampleStream{Metric: series.Metric}
		for _, sample := range series.Values {
			if sample.Timestamp > f.now.Add(-5*time.Minute) {
				within.Values = append(within.Values, sample)
			}
		}
		if len(within.Values) > 0 {
			matrix = append(matrix, within)
		}
	}
	return result(matrix)
}

func result(value model.Value) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"resultType":%q,"result":%s}`, value.Type(), text)
}

// scrape stores what a target counts by workload and status, 15 s after the scrape before and
// a second ago.
func (f *fakePrometheus) scrape(instance string, counts map[string]float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(14 * time.Second)
	defer func() { f.now = f.now.Add(time.Second) }()
	labels := model.Metric{"job": "proxies", "instance": model.LabelValue(instance)}
	f.up[instance] = &model.Sample{Metric: labels, Value: 1, Timestamp: f.now}
	for name, count := range counts {
		workload, status, _ := strings.Cut(name, " ")
		metric := labels.Clone()
		metric["__name__"], metric["destination_workload"], metric["response_code"] = "istio_requests_total", model.LabelValue(workload), model.LabelValue(status)
		f.find(metric).Values = append(f.find(metric).Values, model.SamplePair{Timestamp: f.now, Value: model.SampleValue(count)})
	}
}

func (f *fakePrometheus) find(metric model.Metric) *model.SampleStream {
	for _, series := range f.series {
		if series.Metric.Equal(metric) {
			return series
		}
	}
	f.series = append(f.series, &model.SampleStream{Metric: metric})
	return f.series[len(f.series)-1]
}

func (f *fakePrometheus) counter(t *testing.T, access Access) *Counter {
	t.Helper()
	c, err := New(Source{Address: f.URL, Requests: DefaultRequests, Failures: DefaultFailures}, access, nil, shop)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// read looks at once.
func startCounting(t *testing.T, c *Counter) {
	t.Helper()
	_, err := c.Begin(t.Context())
	require.NoError(t, err)
}

func startError(t *testing.T, c *Counter) error {
	t.Helper()
	_, err := c.Begin(t.Context())
	return err
}

func read(t *testing.T, c *Counter) meter.Reading {
	t.Helper()
	c.looked = time.Time{}
	reading, err := c.Read(t.Context())
	require.NoError(t, err)
	return reading
}

func counted(stable, stableFailed, canary, canaryFailed uint64) meter.Reading {
	return meter.Reading{Stable: judge.Counts{Requests: stable, Failures: stableFailed}, Canary: judge.Counts{Requests: canary, Failures: canaryFailed}}
}
