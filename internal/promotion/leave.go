package promotion

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// gatePause is the time between two questions to a gate that has not let go on.
const gatePause = 5 * time.Second

// errAborted says that the person at the terminal ends the promotion.
var errAborted = errors.New("aborted")

// leave asks all who have a say whether the stage after the first one may begin, while the
// caller looks after the canary. may gets the answer once; stop ends the asking.
func (p *Promotion) leave(parent context.Context, record *Record, stages []Stage) (may <-chan error, stop func()) {
	ctx, cancel := context.WithCancel(parent) //nolint:gosec // stop calls it
	answer := make(chan error, 1)
	over := make(chan struct{})
	after := p.question(record, AfterStep, stages[0]) // the caller may change what was judged
	go func() {
		defer close(over)
		answer <- p.ask(ctx, record, stages[0], stages[1], after)
	}()
	return answer, func() {
		cancel()
		<-over
	}
}

// ask asks in the order in which an answer may become old: the last is the gate before the
// step, unless somebody pauses the promotion meanwhile.
func (p *Promotion) ask(ctx context.Context, record *Record, stage, next Stage, after Notice) error {
	if stage.Bake {
		if err := p.gate(ctx, record, stage, after); err != nil {
			return err
		}
	}
	if record.Manual && (stage.Bake || next.Bake) {
		if err := p.person(ctx, record, stage, next); err != nil {
			return err
		}
	}
	if err := p.unpaused(ctx, record, stage); err != nil || !next.Bake {
		return err
	}
	if err := p.gate(ctx, record, stage, p.question(record, BeforeStep, next)); err != nil {
		return err
	}
	return p.unpaused(ctx, record, stage)
}

// gate asks until it is let go on.
func (p *Promotion) gate(ctx context.Context, record *Record, stage Stage, question Notice) error {
	if p.Gate == nil {
		return nil
	}
	begin, said := p.Now(), ""
	for {
		err := p.Gate(ctx, question)
		held := p.Now().Sub(begin)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case held >= time.Duration(record.MaxHold):
			return &HeldError{fmt.Sprintf("held at %s %%: within %v the gate did not let it go on (%s: %s): %v",
				stage.Weight, held.Round(time.Second), question.What, question.Stage, err)}
		case said == "":
			p.waits(record, stage, "the gate does not let it go on: "+err.Error())
		case said != err.Error():
			p.indent("the gate now: " + err.Error())
		}
		said = err.Error()
		select {
		case <-ctx.Done():
		case <-time.After(gatePause):
		}
	}
}

// person waits for somebody's word, at the terminal or from elsewhere.
func (p *Promotion) person(ctx context.Context, record *Record, stage, next Stage) error {
	before, err := p.order(ctx, record)
	known := err == nil // otherwise an old order would seem to be the answer
	question := "for a person, before: " + next.Name + ": "
	if p.Answers != nil {
		question += "go on? [y]es / [a]bort, or "
	}
	p.waits(record, stage, question+"`canary promote --continue`")
	answers := p.Answers
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case answer, open := <-answers:
			switch strings.ToLower(strings.TrimSpace(answer)) {
			case "y", "yes":
				return nil
			case "a", "abort":
				return errAborted
			}
			if !open {
				answers = nil
				continue
			}
			p.indent(fmt.Sprintf("%q is no answer; allowed are y, yes, a, abort", answer))
		case <-time.After(splitPause):
			order, err := p.order(ctx, record)
			switch {
			case err != nil:
			case !known:
				before, known = order, true
			case order != before && order.Word == Continue:
				p.indent("goes on, by " + order.By.String())
				p.heeded = order
				return nil
			}
		}
	}
}

// unpaused waits while somebody has paused the promotion, or ends it: the caller sees that.
func (p *Promotion) unpaused(ctx context.Context, record *Record, stage Stage) error {
	for {
		order, err := p.order(ctx, record)
		if err == nil && !p.heed(record, stage, order) && order.Word != Abort {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(splitPause):
		}
	}
}

// answered is what the answer of leave means for the promotion.
func (p *Promotion) answered(ctx context.Context, record *Record, err error) error {
	if errors.Is(err, errAborted) {
		return p.takeBack(ctx, record, "aborted by "+record.By.String())
	}
	return err
}

// wait is the time between a stage that is not judged and the next one.
func (p *Promotion) wait(ctx context.Context, record *Record, stages []Stage) error {
	if len(stages) == 1 {
		return nil
	}
	stage := stages[0]
	want, err := split(stage.Weight)
	if err != nil {
		return err
	}
	may, stop := p.leave(ctx, record, stages)
	defer stop()
	for {
		select {
		case err := <-may:
			if ctx.Err() == nil {
				return p.answered(ctx, record, err)
			}
		case <-ctx.Done():
		case <-time.After(splitPause):
			if _, err := p.check(ctx, record, want, stage.Weight, nil); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return &HeldError{"interrupted at " + stage.Weight + " %"}
		}
	}
}
