package envoy

import (
	"bufio"
	"context"
	"io"
	"strconv"
	"strings"

	"canary/internal/release"
)

// Endpoint is what the requests of one proxy to one pod of the app came to, since the
// proxy knows the pod. Each try counts, also one that the proxy repeats elsewhere.
type Endpoint struct {
	Subset, Address string
	// Succeeded and Failed are the requests that are over; failed are those with a status
	// of 500 or above, without a connection, reset, or timed out.
	Succeeded, Failed uint64
}

// Endpoints asks a proxy for its counters of the app's pods. They are always kept, on
// any Istio: Envoy's page /clusters has rq_success and rq_error of each endpoint, see
// https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--clusters.
func (a *Admin) Endpoints(ctx context.Context, p Proxy) ([]Endpoint, error) {
	var endpoints []Endpoint
	err := a.pages(p).Get(ctx, "/clusters", maxDump, func(body io.Reader) (err error) {
		endpoints, err = parseEndpoints(body, a.app)
		return err
	})
	return endpoints, readError(err)
}

// parseEndpoints reads the lines CLUSTER::ADDRESS::COUNTER::VALUE of the app's subsets;
// an address may have "::" itself.
func parseEndpoints(page io.Reader, app release.App) ([]Endpoint, error) {
	var endpoints []Endpoint
	position := map[[2]string]int{}
	lines := bufio.NewScanner(page)
	for lines.Scan() {
		cluster, rest, _ := strings.Cut(lines.Text(), "::")
		subset, ours := subsetOf(app, cluster)
		if !ours || subset != release.Stable && subset != release.Canary {
			continue
		}
		rest, value, _ := cutLast(rest, "::")
		address, counter, found := cutLast(rest, "::")
		if !found || counter != "rq_success" && counter != "rq_error" {
			continue
		}
		count, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			continue
		}
		key := [2]string{subset, address}
		at, known := position[key]
		if !known {
			at = len(endpoints)
			position[key] = at
			endpoints = append(endpoints, Endpoint{Subset: subset, Address: address})
		}
		if counter == "rq_success" {
			endpoints[at].Succeeded = count
		} else {
			endpoints[at].Failed = count
		}
	}
	return endpoints, lines.Err()
}

// cutLast is strings.Cut around the last separator.
func cutLast(text, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(text, separator); i >= 0 {
		return text[:i], text[i+len(separator):], true
	}
	return text, "", false
}
