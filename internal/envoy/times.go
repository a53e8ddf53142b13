package envoy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"canary/internal/release"
)

// Times is how many requests took how long: by the upper bound of Envoy's bucket, in
// milliseconds.
type Times map[float64]uint64

// Bounds are those of Envoy's buckets, in milliseconds, ascending; Istio leaves them as they
// are.
var Bounds = []float64{0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000}

// Add adds other times.
func (t Times) Add(other Times) {
	for bound, count := range other {
		t[bound] += count
	}
}

// Over is how many requests took longer than a bound that is one of Envoy's, and how many
// there are.
func (t Times) Over(limit float64) (slow, all uint64) {
	for bound, count := range t {
		all += count
		if bound > limit {
			slow += count
		}
	}
	return slow, all
}

// Times asks a proxy how long its requests to the subsets' pods took, by subset. It has
// none when it does not keep the statistic upstream_rq_time of their clusters, and brings
// what it has up to date from time to time only, see
// https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--stats.
func (a *Admin) Times(ctx context.Context, p Proxy) (map[string]Times, error) {
	query := url.Values{
		"format": {"json"}, "histogram_buckets": {"disjoint"}, "type": {"Histograms"},
		"filter": {Kept},
	}
	var times map[string]Times
	err := a.pages(p).Get(ctx, "/stats?"+query.Encode(), maxDump, func(body io.Reader) (err error) {
		times, err = parseTimes(body, a.app)
		return err
	})
	return times, readError(err)
}

const timeStatistic = ".upstream_rq_time"

// Kept matches the statistics that Times and ByStatus read, for the proxyStatsMatcher of
// Istio's ProxyConfig: without it Istio's proxies keep none of them.
const Kept = `^cluster\.outbound\|[0-9]+\|(` + release.Stable + `|` + release.Canary + `)\|[^;]+;?\.(retry\.)?upstream_rq_(time|[0-9]+)$`

// KeptWhen is when the proxies of another Istio than the stack's own keep them, in words.
const KeptWhen = "when its meshConfig has defaultConfig.proxyStatsMatcher.inclusionRegexps with " + Kept + ", once their pods are started anew"

func parseTimes(page io.Reader, app release.App) (map[string]Times, error) {
	var parsed struct {
		Stats []struct {
			Histograms []struct {
				Name    string `json:"name"`
				Buckets []struct {
					UpperBound float64 `json:"upper_bound"`
					Cumulative uint64  `json:"cumulative"` // since the proxy was started
				} `json:"buckets"`
			} `json:"histograms"`
		} `json:"stats"`
	}
	if err := json.NewDecoder(page).Decode(&parsed); err != nil {
		return nil, fmt.Errorf("statistics: %w", err)
	}
	times := map[string]Times{}
	for _, stat := range parsed.Stats {
		for _, histogram := range stat.Histograms {
			subset, ours := countedSubset(app, strings.TrimSuffix(histogram.Name, timeStatistic))
			if !ours {
				continue
			}
			if times[subset] == nil {
				times[subset] = Times{}
			}
			for _, bucket := range histogram.Buckets {
				if bucket.Cumulative > 0 {
					times[subset][bucket.UpperBound] = bucket.Cumulative
				}
			}
		}
	}
	return times, nil
}

// countedSubset is the subset of the cluster that statistics are of, by the part of their
// names before the last one. Envoy's own parts of a cluster's requests, such as external,
// are of none.
func countedSubset(app release.App, name string) (subset string, ours bool) {
	cluster, ended := strings.CutSuffix(strings.TrimPrefix(name, "cluster."), ";") // Istio's end of a cluster's name
	if strings.Contains(cluster, ";") {
		return "", false
	}
	for _, part := range []string{".external", ".internal", ".canary"} {
		if !ended && strings.HasSuffix(cluster, part) {
			return "", false
		}
	}
	return subsetOf(app, cluster)
}
