package envoy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"

	"canary/internal/release"
)

// Failing are the statuses that count as failures: codes such as 503, and classes such
// as 5xx.
type Failing []string

var failing = regexp.MustCompile(`^[2-5]([0-9][0-9]|xx)$`)

// Problem is what is wrong with the statuses, in words; "" is nothing.
func (f Failing) Problem() string {
	for _, status := range f {
		if !failing.MatchString(status) {
			return fmt.Sprintf("%q, allowed are statuses from 200 to 599 and classes from 2xx to 5xx, separated by commas, such as 5xx,429", status)
		}
	}
	return ""
}

func (f Failing) has(status string) bool {
	return slices.Contains(f, status) || slices.Contains(f, status[:1]+"xx")
}

// ByStatus reads the proxies by the statuses of the answers, so that other ones than 500
// and above can be failures. Envoy counts them for each subset as a whole, when Istio lets
// it, also where its answer is its own: 503 without a connection, 504 after its time.
type ByStatus struct {
	*Admin
	Failing Failing
}

// ErrNotKept says that a proxy has sent requests, and has not counted their statuses.
var ErrNotKept = errors.New("it does not count its requests by status; the proxies of an Istio of somebody else do so " + KeptWhen)

// Endpoints are the counters of both subsets, each as if it was one pod.
func (b ByStatus) Endpoints(ctx context.Context, p Proxy) ([]Endpoint, error) {
	counters, err := b.statuses(ctx, p)
	if err != nil || len(counters) > 0 {
		return counters, err
	}
	// What has succeeded by now has a status, which the second look finds.
	endpoints, err := b.Admin.Endpoints(ctx, p)
	if err != nil || !slices.ContainsFunc(endpoints, func(e Endpoint) bool { return e.Succeeded > 0 }) {
		return nil, err
	}
	if counters, err = b.statuses(ctx, p); err == nil && len(counters) == 0 {
		err = ErrNotKept
	}
	return counters, err
}

func (b ByStatus) statuses(ctx context.Context, p Proxy) ([]Endpoint, error) {
	query := url.Values{"format": {"json"}, "type": {"Counters"}, "filter": {Kept}}
	var counters []Endpoint
	err := b.pages(p).Get(ctx, "/stats?"+query.Encode(), maxDump, func(body io.Reader) (err error) {
		counters, err = parseStatuses(body, b.app, b.Failing)
		return err
	})
	return counters, readError(err)
}

// status is the end of a counter's name: of what the caller got, or of a try that the proxy
// repeated. The statuses before an answer, 1xx but for 101, are none.
var status = regexp.MustCompile(`\.(?:retry\.)?upstream_rq_(101|[2-5][0-9][0-9])$`)

func parseStatuses(page io.Reader, app release.App, failing Failing) ([]Endpoint, error) {
	var parsed struct {
		Stats []struct {
			Name  string `json:"name"`
			Value uint64 `json:"value"`
		} `json:"stats"`
	}
	if err := json.NewDecoder(page).Decode(&parsed); err != nil {
		return nil, fmt.Errorf("statistics: %w", err)
	}
	counters := map[string]Endpoint{}
	for _, stat := range parsed.Stats {
		end := status.FindStringSubmatchIndex(stat.Name)
		if end == nil {
			continue
		}
		subset, ours := countedSubset(app, stat.Name[:end[0]])
		if !ours {
			continue
		}
		counter := counters[subset]
		counter.Subset = subset
		if failing.has(stat.Name[end[2]:end[3]]) {
			counter.Failed += stat.Value
		} else {
			counter.Succeeded += stat.Value
		}
		counters[subset] = counter
	}
	var found []Endpoint
	for _, subset := range []string{release.Stable, release.Canary} {
		if counter, ok := counters[subset]; ok {
			found = append(found, counter)
		}
	}
	return found, nil
}
