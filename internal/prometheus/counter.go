package prometheus

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"canary/internal/kube"
	"canary/internal/meter"
	"canary/internal/release"
)

const (
	// lookPause is the time between two looks: there is something new once in a scrape.
	lookPause = 2 * time.Second
	// lookTimeout bounds all queries of a look.
	lookTimeout = 5 * time.Second
)

// Counter counts the requests of both subsets since Begin. It is not safe for concurrent use.
type Counter struct {
	asker  *asker
	source Source
	app    release.App

	looked  time.Time
	begin   model.Time // by the clock of Prometheus
	targets map[string]*target
	series  map[model.Fingerprint]*series
	// seen are the subsets of which there was ever a counter.
	seen map[string]bool
	// strays are the counters of failures that were none of requests in the look before.
	strays  map[model.Fingerprint]bool
	reading meter.Reading
}

// series is a counter of one proxy.
type series struct {
	last    model.SamplePair
	counted bool // whether its counts have begun
}

// New is a counter that has asked for nothing yet; the client is for a Service in the cluster.
func New(source Source, access Access, client *kube.Client, app release.App) (*Counter, error) {
	asker, err := newAsker(source.Address, access, client)
	if err != nil {
		return nil, err
	}
	return &Counter{asker: asker, source: source, app: app, seen: map[string]bool{}}, nil
}

// Close ends the connections.
func (c *Counter) Close() { c.asker.close() }

// Begin makes the counts begin at nothing. Counted is from each proxy's first scrape after it
// on, so that no request of before is among them.
func (c *Counter) Begin(ctx context.Context) (meter.Reading, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	now, err := c.asker.now(ctx)
	if err != nil {
		return meter.Reading{}, err
	}
	c.begin, c.reading = now, meter.Reading{}
	c.targets, c.series, c.strays = map[string]*target{}, map[model.Fingerprint]*series{}, nil
	c.looked = time.Now()
	err = c.look(ctx, now)
	return c.reading, err
}

// Read gives the counts since Begin. What went wrong is among the doubts of the reading, and
// the counts are then those of before.
func (c *Counter) Read(ctx context.Context) (meter.Reading, error) {
	if time.Since(c.looked) < lookPause {
		return c.reading, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	now, err := c.asker.now(ctx)
	if err == nil {
		err = c.look(ctx, now)
	}
	if err != nil {
		c.reading.Doubts = []string{err.Error()}
	}
	c.looked = time.Now()
	return c.reading, nil
}

// look asks for all counters at a time. The failures are asked for after the requests, and
// only tell which of those counters count failures: so both are of the same scrapes.
func (c *Counter) look(ctx context.Context, at model.Time) error {
	requests, doubts, err := c.asker.counters(ctx, "--query-requests", c.source.Requests, c.app, at)
	if err != nil {
		return err
	}
	failures, more, err := c.asker.counters(ctx, "--query-failures", c.source.Failures, c.app, at)
	if err != nil {
		return err
	}
	doubts = append(doubts, more...)
	stray, err := c.stray(requests, failures)
	if err != nil {
		return err
	}
	c.note(requests)
	doubt, err := c.late(ctx, at)
	if err != nil {
		return err
	}
	c.strays = stray
	for subset, matrix := range requests {
		c.add(subset, matrix, fingerprints(failures[subset]))
	}
	c.reading.Doubts = slices.Concat(doubts, doubt, c.unseen())
	return nil
}

// stray are the counters of failures that are none of requests. One that was counted first
// between the two queries is, until the next look.
func (c *Counter) stray(requests, failures map[string]model.Matrix) (map[model.Fingerprint]bool, error) {
	stray := map[model.Fingerprint]bool{}
	for subset, matrix := range failures {
		known := fingerprints(requests[subset])
		for _, failing := range matrix {
			key := failing.Metric.Fingerprint()
			if known[key] {
				continue
			}
			if c.strays[key] {
				return nil, c.asker.errorf("--query-failures gives a counter that --query-requests does not, and failures have to be among the requests: %s", failing.Metric)
			}
			stray[key] = true
		}
	}
	return stray, nil
}

// add counts what is new of a subset.
func (c *Counter) add(subset string, matrix model.Matrix, failing map[model.Fingerprint]bool) {
	counts := &c.reading.Stable
	if subset == release.Canary {
		counts = &c.reading.Canary
	}
	for _, found := range matrix {
		c.seen[subset] = true
		key := found.Metric.Fingerprint()
		known := c.series[key]
		if known == nil {
			known = new(series)
			c.series[key] = known
		}
		n := known.add(found.Values, c.begin, c.targets[targetKey(found.Metric)].since)
		counts.Requests += n
		if failing[key] {
			counts.Failures += n
		}
	}
}

// add takes in the samples that are new, and gives by how much they count more. A counter
// that came after its target's first scrape counts from nothing, and so does one that fell,
// since the proxy was started anew.
func (s *series) add(samples []model.SamplePair, begin, since model.Time) uint64 {
	var n uint64
	for _, sample := range samples {
		if sample.Timestamp <= s.last.Timestamp {
			continue
		}
		value, before := uint64(sample.Value), uint64(s.last.Value)
		isNew := s.last.Timestamp == 0
		s.last = sample
		switch {
		case sample.Timestamp < begin:
			continue
		case !s.counted:
			s.counted = true
			if isNew && sample.Timestamp > since {
				n += value
			}
		case value < before:
			n += value
		default:
			n += value - before
		}
	}
	return n
}

// unseen says of which subset there was never a counter.
func (c *Counter) unseen() []string {
	var doubts []string
	for _, subset := range []string{release.Stable, release.Canary} {
		if !c.seen[subset] {
			doubts = append(doubts, c.asker.errorf("it has no counter of requests to %s: none came yet, or it does not scrape the proxies that send them "+
				"(port 15090, path /stats/prometheus), or the query does not fit; asked was %s", subset, expand(c.source.Requests, c.app, subset)).Error())
		}
	}
	return doubts
}

func fingerprints(matrix model.Matrix) map[model.Fingerprint]bool {
	all := map[model.Fingerprint]bool{}
	for _, found := range matrix {
		all[found.Metric.Fingerprint()] = true
	}
	return all
}
