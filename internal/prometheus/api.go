package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"

	"canary/internal/kube"
	"canary/internal/release"
)

// Access is what a Prometheus asks for: a user and password, or a token.
type Access struct {
	User  *url.Userinfo
	Token string
}

// asker asks a Prometheus. Its errors hold no credentials.
type asker struct {
	address string
	api     v1.API
	hide    *strings.Replacer
	close   func()
}

// newAsker does no I/O.
func newAsker(address string, access Access, client *kube.Client) (*asker, error) {
	a := &asker{address: address, hide: access.hide()}
	var next http.RoundTripper
	if strings.Contains(address, "://") {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		next, a.close = transport, transport.CloseIdleConnections
	} else {
		service, err := parseService(address)
		if err != nil {
			return nil, err
		}
		inCluster := &serviceTransport{client: client, service: service}
		next, a.close = inCluster, inCluster.close
		address = "http://" + service.name + "." + service.namespace
	}
	opened, err := api.NewClient(api.Config{Address: address, Client: &http.Client{
		Transport: &authorizing{next: next, access: access},
		// The credentials are for this address alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}})
	if err != nil {
		return nil, a.errorf("%v", err)
	}
	a.api = v1.NewAPI(opened)
	return a, nil
}

// hide puts something else in the place of what is secret.
func (a Access) hide() *strings.Replacer {
	var pairs []string
	password, _ := a.User.Password()
	for _, secret := range []string{password, a.Token} {
		if secret != "" {
			pairs = append(pairs, secret, "(secret)")
		}
	}
	return strings.NewReplacer(pairs...)
}

// authorizing adds the credentials to each request.
type authorizing struct {
	next   http.RoundTripper
	access Access
}

// RoundTrip sends a request with the credentials.
func (a *authorizing) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	if user := a.access.User; user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	} else if a.access.Token != "" {
		req.Header.Set("Authorization", "Bearer "+a.access.Token)
	}
	return a.next.RoundTrip(req)
}

// now is the time by the clock of Prometheus, which the samples have too.
func (a *asker) now(ctx context.Context) (model.Time, error) {
	value, _, err := a.ask(ctx, "time()", time.Time{})
	if err != nil {
		return 0, err
	}
	clock, ok := value.(*model.Scalar)
	if !ok {
		return 0, a.errorf("the query time() gives a %s in place of a scalar", value.Type())
	}
	return clock.Timestamp, nil
}

// scrape is the last one of a target.
type scrape struct {
	at     model.Time
	failed bool
}

// scrapes are the last ones of the targets that Prometheus has, by their keys, among those
// with the instances.
func (a *asker) scrapes(ctx context.Context, instances []string, at model.Time) (map[string]scrape, error) {
	for i := range instances {
		instances[i] = regexp.QuoteMeta(instances[i])
	}
	up := "up{instance=~" + strconv.Quote(strings.Join(instances, "|")) + "}"
	found := map[string]scrape{}
	for _, query := range []string{up, "timestamp(" + up + ")"} {
		value, _, err := a.ask(ctx, query, at.Time())
		if err != nil {
			return nil, err
		}
		vector, _ := value.(model.Vector)
		for _, sample := range vector {
			key := targetKey(sample.Metric)
			if query == up {
				found[key] = scrape{failed: sample.Value == 0}
			} else if last, ok := found[key]; ok {
				last.at = model.TimeFromUnixNano(int64(float64(sample.Value) * 1e9))
				found[key] = last
			}
		}
	}
	return found, nil
}

// counters are those that a query gives for each subset, with their samples of the time
// before at; warnings say that there may be more.
func (a *asker) counters(ctx context.Context, flag, query string, app release.App, at model.Time) (map[string]model.Matrix, []string, error) {
	subsets := []string{release.Stable, release.Canary}
	matrices, warned := make([]model.Matrix, len(subsets)), make([][]string, len(subsets))
	group, ctx := errgroup.WithContext(ctx)
	for i, subset := range subsets {
		group.Go(func() error {
			asked := expand(query, app, subset)
			value, warnings, err := a.ask(ctx, asked, at.Time())
			if err != nil {
				return err
			}
			matrix, ok := value.(model.Matrix)
			if !ok {
				return a.errorf("%s gives a %s, and counters with their samples are needed: it has to be a selector that ends with a time, such as [5m]; asked was %s",
					flag, value.Type(), asked)
			}
			matrices[i] = matrix
			for _, warning := range warnings {
				warned[i] = append(warned[i], a.errorf("the answer may lack something: %s; asked was %s", warning, asked).Error())
			}
			return check(a, flag, asked, matrix)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	return map[string]model.Matrix{release.Stable: matrices[0], release.Canary: matrices[1]}, slices.Concat(warned...), nil
}

// check refuses what cannot be counters of requests.
func check(a *asker, flag, asked string, matrix model.Matrix) error {
	for _, series := range matrix {
		if series.Metric[model.MetricNameLabel] == "" {
			return a.errorf("%s gives series without a name, so they are no counters but what an operation such as sum or rate made of them: "+
				"ask for the counters themselves; asked was %s", flag, asked)
		}
		for _, sample := range series.Values {
			if value := float64(sample.Value); !(value >= 0 && value < 1<<53) || value != float64(uint64(value)) {
				return a.errorf("%s gives the value %v, and that is no number of requests: %s; asked was %s", flag, sample.Value, series.Metric, asked)
			}
		}
	}
	return nil
}

func (a *asker) ask(ctx context.Context, query string, at time.Time) (model.Value, v1.Warnings, error) {
	value, warnings, err := a.api.Query(ctx, query, at)
	if err == nil {
		return value, warnings, nil
	}
	answer := new(v1.Error)
	text := err.Error()
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		text = fmt.Sprintf("no answer within %v", lookTimeout)
	case errors.As(err, &answer) && answer.Type == v1.ErrBadData:
		text = "the query is wrong (" + answer.Msg + ")"
	case errors.As(err, &answer):
		text += " " + answer.Detail
		if strings.Contains(answer.Msg, "401") || strings.Contains(answer.Msg, "403") {
			text += "; the user in --prometheus, or the token in " + AccessVariable + ", is missing or wrong"
		}
	}
	return nil, nil, a.errorf("%s; asked was %s", kube.OneLine(a.hide.Replace(text)), query) // a secret that is cut is none that is found
}

// errorf is an error of this Prometheus.
func (a *asker) errorf(format string, args ...any) error {
	return errors.New(a.hide.Replace("Prometheus at " + a.address + ": " + fmt.Sprintf(format, args...)))
}
