package prometheus

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/common/model"
)

const (
	// lateScrapes is how many scrapes have to be missing until a target's samples are too old,
	// and lateSlack is the time that one may take.
	lateScrapes = 2
	lateSlack   = 5 * time.Second
	// usualInterval is that of Prometheus, for a target of which one sample is known.
	usualInterval = time.Minute
)

// target is a proxy as Prometheus scrapes it.
type target struct {
	instance string
	// since is its first scrape after Begin, with which its counts begin; 0 before.
	since model.Time
	// last is the newest scrape with a counter, and every the time between two.
	last  model.Time
	every time.Duration
	// ended is whether it was told that the target has no counters any more.
	ended bool
}

// targetKey tells a target from all others, in words.
func targetKey(metric model.Metric) string {
	return string("target " + metric[model.InstanceLabel] + " of job " + metric[model.JobLabel])
}

// note keeps when the targets were scraped.
func (c *Counter) note(requests map[string]model.Matrix) {
	for _, matrix := range requests {
		for _, found := range matrix {
			key := targetKey(found.Metric)
			if c.targets[key] == nil {
				c.targets[key] = &target{instance: string(found.Metric[model.InstanceLabel])}
			}
			c.targets[key].note(c.begin, found.Values)
		}
	}
}

func (t *target) note(begin model.Time, samples []model.SamplePair) {
	for i, sample := range samples {
		if sample.Timestamp >= begin && (t.since == 0 || sample.Timestamp < t.since) {
			t.since = sample.Timestamp
		}
		if sample.Timestamp > t.last {
			t.last, t.ended = sample.Timestamp, false
		}
		if i > 0 {
			if between := sample.Timestamp.Sub(samples[i-1].Timestamp); t.every == 0 || between < t.every {
				t.every = between
			}
		}
	}
}

// late says which targets' counters are too old to pass a step. Those of a proxy that
// ended, or was started anew and has not counted since, are gone for good, which is a gap.
func (c *Counter) late(ctx context.Context, at model.Time) (doubts []string, err error) {
	var late, instances []string
	newest := model.Time(0)
	for _, key := range slices.Sorted(maps.Keys(c.targets)) {
		target := c.targets[key]
		newest = max(newest, target.last)
		if at.Sub(target.last) > lateScrapes*cmp.Or(target.every, usualInterval)+lateSlack {
			late, instances = append(late, key), append(instances, target.instance)
		}
	}
	if len(late) == 0 {
		return nil, nil
	}
	scrapes, err := c.asker.scrapes(ctx, instances, at)
	if err != nil {
		return nil, err
	}
	for _, key := range late {
		target := c.targets[key]
		last, there := scrapes[key]
		old := at.Sub(target.last).Round(time.Second)
		switch {
		case last.failed:
			doubts = append(doubts, c.asker.errorf("it cannot scrape %s, whose counters are %v old", key, old).Error())
		case there && last.at <= target.last:
			doubts = append(doubts, c.asker.errorf("it has not scraped %s for %v", key, old).Error())
		case target.since != 0 && !target.ended:
			target.ended = true
			c.reading.Gaps = append(c.reading.Gaps, key+" ended, or was started anew: what it counted after its last scrape is missing")
		}
	}
	if len(doubts) == 0 && len(late) == len(c.targets) {
		doubts = append(doubts, c.asker.errorf("its newest counters are %v old: does it still scrape the proxies?", at.Sub(newest).Round(time.Second)).Error())
	}
	return doubts, nil
}
