// Package prometheus counts the requests of both subsets by the counters that a Prometheus
// has scraped. What it cannot tell it says, and it never guesses.
package prometheus

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"canary/internal/release"
)

// AccessVariable is the environment variable with the token of Access.
const AccessVariable = "CANARY_PROMETHEUS_TOKEN"

// The queries when no others are given: what the proxies that sent requests to a subset's
// pods have counted. Where Istio was told to leave the status out there are no requests,
// since all failures would be hidden.
const (
	DefaultRequests = `istio_requests_total{reporter="source",destination_workload_namespace="${namespace}",destination_workload="${workload}",response_code!=""}[5m]`
	DefaultFailures = `istio_requests_total{reporter="source",destination_workload_namespace="${namespace}",destination_workload="${workload}",response_code=~"5..|0"}[5m]`
)

// Source is a Prometheus and what it is asked. It holds no credentials: the stack's history
// keeps it.
type Source struct {
	// Address is a URL, or NAMESPACE/SERVICE:PORT in the cluster.
	Address string `json:"address"`
	// Requests are the counters of a subset's requests, and Failures those among them that
	// count failed ones; both have variables.
	Requests string `json:"requests"`
	Failures string `json:"failures"`
}

// SplitAddress takes the credentials out of an address.
func SplitAddress(text string) (address string, user *url.Userinfo, err error) {
	const allowed = "allowed is a URL such as https://prometheus.example.com/path, or NAMESPACE/SERVICE:PORT of a Service in the cluster"
	if !strings.Contains(text, "://") {
		if _, err := parseService(text); err != nil {
			return "", nil, fmt.Errorf("--prometheus is %s, %s", shown(text), allowed)
		}
		return text, nil, nil
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Hostname() == "" || parsed.RawQuery != "" || parsed.Fragment != "" {
		return "", nil, fmt.Errorf("--prometheus is %s, %s", shown(text), allowed)
	}
	user, parsed.User = parsed.User, nil
	return strings.TrimRight(parsed.String(), "/"), user, nil
}

// shown is what a message may say of an address.
func shown(text string) string {
	if strings.ContainsAny(text, "@?#") {
		return "not shown here, since it may hold credentials"
	}
	return strconv.Quote(text)
}

// service is a port of a Service.
type service struct {
	namespace, name string
	port            int
}

var serviceForm = regexp.MustCompile(`^([a-z0-9-]+)/([a-z0-9-]+):([0-9]+)$`)

func parseService(text string) (service, error) {
	parts := serviceForm.FindStringSubmatch(text)
	if parts == nil {
		return service{}, fmt.Errorf("%q is not NAMESPACE/SERVICE:PORT", text)
	}
	port, err := strconv.Atoi(parts[3])
	if err != nil || port < 1 || port > 65535 {
		return service{}, fmt.Errorf("%q has no port of 1 to 65535", text)
	}
	return service{namespace: parts[1], name: parts[2], port: port}, nil
}

var variable = regexp.MustCompile(`\$\{[^}]*\}`)

// values are those of the variables for a subset.
func values(app release.App, subset string) map[string]string {
	return map[string]string{
		"${namespace}": app.Namespace,
		"${app}":       app.Name,
		"${subset}":    subset,
		"${workload}":  app.Deployment(subset),
	}
}

// expand puts the values of a subset in the place of a query's variables.
func expand(query string, app release.App, subset string) string {
	of := values(app, subset)
	return variable.ReplaceAllStringFunc(query, func(name string) string { return of[name] })
}

// Problems are what is wrong with the queries, in words.
func (s Source) Problems() []string {
	var problems []string
	for _, query := range []struct{ flag, text string }{{"--query-requests", s.Requests}, {"--query-failures", s.Failures}} {
		known := values(release.App{}, "")
		for _, name := range variable.FindAllString(query.text, -1) {
			if _, ok := known[name]; !ok {
				problems = append(problems, fmt.Sprintf("%s has the variable %s, allowed are ${namespace}, ${app}, ${subset}, ${workload}", query.flag, name))
			}
		}
		if !strings.Contains(query.text, "${subset}") && !strings.Contains(query.text, "${workload}") {
			problems = append(problems, fmt.Sprintf("%s is %q, and has to tell the subsets apart, by ${workload} or ${subset}", query.flag, query.text))
		}
	}
	return problems
}
