package promotion

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"canary/internal/envoy"
	"canary/internal/judge"
	"canary/internal/meter"
	"canary/internal/release"
)

// The moments between two looks at the cluster.
const (
	readPause  = 250 * time.Millisecond
	splitPause = time.Second
	sayPause   = 10 * time.Second
)

// findSlow sets what a slow request is, unless that is known, by what stable took before a
// step.
func (p *Promotion) findSlow(record *Record, begun meter.Reading) {
	if record.MaxSlowdown == 0 {
		return
	}
	if record.SlowAfter == 0 {
		record.SlowAfter = slowAfter(begun.Before, begun.Lately)
	}
	switch _, all := begun.Before.Over(0); {
	case all == 0:
		p.indent("slowness is not judged at this step: the proxies have no times of stable's requests. Those of an Istio of somebody else keep them " + envoy.KeptWhen)
	case record.SlowAfter == 0:
		p.indent(fmt.Sprintf("slowness is not judged at this step: stable has answered only %d requests before it, and it takes %d to tell what is slow; --slow-after says it too", all, leastTimes))
	}
}

// watch looks at the requests while a step's update still runs: its proxies serve the split
// before it is over. A canary that is sick by then serves nothing any more. stop ends the
// watch and gives what was seen of a sick canary, or nil.
func (p *Promotion) watch(ctx context.Context, record *Record, stage Stage) (stop func() (sick *Judged)) {
	var sick *Judged
	begin := p.Now()
	over := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			reading, err := p.Cluster.Read(ctx)
			if seen := record.look(reading); err == nil && seen.Outcome() == judge.Fail {
				if err := p.Cluster.Write(ctx, release.Split{Stable: 100}); err == nil {
					sick = &Judged{Weight: stage.Weight, Seconds: p.Now().Sub(begin).Seconds(), Seen: seen}
					return
				}
			}
			select {
			case <-over:
				return
			case <-ctx.Done():
				return
			case <-time.After(readPause):
			}
		}
	})
	return func() *Judged {
		close(over)
		watching.Wait()
		return sick
	}
}

// bake holds the first of the stages until the counts tell, and the next may begin.
func (p *Promotion) bake(ctx context.Context, record *Record, stages []Stage) error {
	stage := stages[0]
	want, err := split(stage.Weight)
	if err != nil {
		return err
	}
	begin := p.Now()
	samples := newSamples(len(record.Steps))
	var looked, said time.Time
	var paused time.Duration
	var may <-chan error // when it has passed
	stop := func() {}
	defer func() { stop() }()
	for {
		reading, err := p.Cluster.Read(ctx)
		switch {
		case ctx.Err() != nil:
			return &HeldError{"interrupted at " + stage.Weight + " %"}
		case err != nil:
			return &HeldError{fmt.Sprintf("at %s %%: the requests cannot be counted: %v", stage.Weight, err)}
		}
		seen := record.look(reading)
		now := p.Now()
		held := now.Sub(begin)
		samples.add(Sample{held.Seconds(), reading.Stable, reading.Canary})
		judged := Judged{Weight: stage.Weight, Seconds: held.Seconds(), Seen: seen, Samples: samples.kept}
		p.look(record.Stage, &judged)
		tell := func() {
			p.indent(fmt.Sprintf("%.0f s: %s", held.Seconds(), record.describe(seen)))
			p.Event(Event{Time: now, Stage: "bake", Weight: stage.Weight, Seconds: held.Seconds(), Seen: &seen, Doubts: reading.Doubts})
		}
		if seen.Outcome() == judge.Fail {
			tell()
			record.judged(judged)
			return p.takeBack(ctx, record, record.whySick(seen, stage.Weight))
		}
		if now.Sub(looked) >= splitPause {
			order, err := p.check(ctx, record, want, stage.Weight, &judged)
			if err != nil {
				return err
			}
			if may == nil && p.heed(record, stage, order) && !looked.IsZero() {
				paused += now.Sub(looked)
			}
			looked = now
		}
		over := held >= time.Duration(record.Bake)
		switch {
		case may != nil:
		case over && seen.Outcome() == judge.Pass && len(reading.Doubts) == 0:
			tell()
			for _, gap := range reading.Gaps {
				p.indent(gap)
			}
			record.judged(judged)
			p.tell(record, Notice{What: Passed, Stage: stage.Name, Weight: stage.Weight, Seen: &seen},
				fmt.Sprintf("passed %s after %.0f s: %s", at(stage.Weight), held.Seconds(), record.describe(seen)))
			may, stop = p.leave(ctx, record, stages)
		case held >= time.Duration(record.Bake+record.MaxHold)+paused:
			tell()
			reason := strings.Join(reading.Doubts, "; ")
			if seen.Outcome() == judge.Hold {
				reason = strings.Join(append([]string{record.missing(seen, held)}, reading.Doubts...), "; ")
			}
			return &HeldError{fmt.Sprintf("held %s for %v, and the requests still do not tell: %s", at(stage.Weight), held.Round(time.Second), reason)}
		case now.Sub(said) >= sayPause:
			said = now
			tell()
			if over && seen.Outcome() == judge.Hold {
				p.indent("not enough requests to tell: " + record.missing(seen, held))
			}
			for _, unread := range reading.Unread {
				p.indent("cannot be read now: " + unread)
			}
			for _, doubt := range reading.Doubts {
				p.indent("does not pass now: " + doubt)
			}
		}
		select {
		case <-ctx.Done():
		case err := <-may:
			if ctx.Err() == nil {
				return p.answered(ctx, record, err)
			}
		case <-time.After(readPause):
		}
	}
}

// check looks at what no count says: whether somebody aborts the promotion or moved the
// split, and whether the canary has a pod left, since a request to none has no endpoint
// that counts it. The order is the last one, if it could be read; judged is what was seen
// of the step, or nil.
func (p *Promotion) check(ctx context.Context, record *Record, want release.Split, weight string, judged *Judged) (Order, error) {
	order, err := p.order(ctx, record) // first, for who aborts moves the split after it
	if err == nil && order.Word == Abort {
		return order, p.aborted(ctx, order.By)
	}
	inForce, err := p.Cluster.Split(ctx)
	switch {
	case err != nil:
		return order, nil //nolint:nilerr // the reading of the counts tells that the cluster does not answer
	case !inForce.Equal(want):
		return order, &HeldError{fmt.Sprintf("somebody moved the split to %s meanwhile; this promotion has it at %s, and ends", inForce, want)}
	}
	if ready, err := p.Cluster.CanaryReady(ctx); (want.Canary > 0 || judged != nil) && err == nil && ready == 0 {
		if judged != nil {
			record.judged(*judged)
		}
		return order, p.takeBack(ctx, record, at(weight)+" no pod of the canary is ready")
	}
	return order, nil
}
