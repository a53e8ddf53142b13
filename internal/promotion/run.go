package promotion

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"canary/internal/config"
	"canary/internal/meter"
	"canary/internal/readiness"
	"canary/internal/release"
	"canary/internal/stack"
)

// Stack is what a promotion changes.
type Stack interface {
	// Settings are the stack's configuration, by key.
	Settings(ctx context.Context) (map[string]stack.Value, error)
	// Update changes the configuration and brings the stack up; say gets lines.
	Update(ctx context.Context, change stack.Change, message string, say func(string)) error
	// Last is the configuration of the last recorded update, and whether it succeeded.
	Last(ctx context.Context) (settings map[string]stack.Value, succeeded bool, err error)
}

// Cluster is what a promotion watches.
type Cluster interface {
	// Split is the split in force, as the VirtualService says.
	Split(ctx context.Context) (release.Split, error)
	// Write writes a split into the VirtualService.
	Write(ctx context.Context, split release.Split) error
	// Begin makes the counts begin at nothing, and Read gives them; both tell of before.
	Begin(ctx context.Context) (meter.Reading, error)
	Read(ctx context.Context) (meter.Reading, error)
	// CanaryReady is how many pods of the canary can serve.
	CanaryReady(ctx context.Context) (int, error)
	// Describe says what the canary's pods show of their state: events and last lines.
	Describe(ctx context.Context) []string
	// Order is the order that somebody has written for the promotion; "" is none.
	Order(ctx context.Context) (string, error)
	// WriteOrder writes an order; "" removes it.
	WriteOrder(ctx context.Context, order string) error
}

// Promotion is a promotion that this process runs.
type Promotion struct {
	Stack   Stack
	Cluster Cluster
	// Say gets a line for people, and Event what happens for programs, from any goroutine.
	Say   func(line string)
	Event func(Event)
	// Look, unless it is nil, gets the number of each stage that begins, and then what every
	// reading of it came to.
	Look func(stage int, judged *Judged)
	// Now is the time.
	Now func() time.Time
	// App is the app's NAMESPACE/NAME, for programs elsewhere: Tell tells them, and Gate asks
	// whether to go on; its error is what was answered. Both may be nil.
	App  string
	Tell func(Notice)
	Gate func(ctx context.Context, question Notice) error
	// Answers are the lines that a person types; nil is that nobody can.
	Answers <-chan string

	heeded Order
}

// Event is something that happened. Its JSON form is an interface: fields may be added, and
// none is renamed or removed.
type Event struct {
	Time    time.Time `json:"time"`
	Stage   string    `json:"stage"`
	Weight  string    `json:"weight,omitempty"`
	Seconds float64   `json:"seconds,omitempty"`
	Seen    *Seen     `json:"seen,omitempty"`
	Doubts  []string  `json:"doubts,omitempty"`
	Error   string    `json:"error,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	// Outcome is that of the promotion, in its last event: Promoted, TakenBack, Held or Failed.
	Outcome string `json:"outcome,omitempty"`
}

// TakenBackError says that the canary was sick, and serves nothing any more.
type TakenBackError struct{ Reason string }

func (e *TakenBackError) Error() string { return e.Reason }

// HeldError says why a promotion did not go on; the split is as it was.
type HeldError struct{ Reason string }

func (e *HeldError) Error() string { return e.Reason }

// Run does the stages of a record from one on. With resumed, the update of the first of
// them is recorded already.
func (p *Promotion) Run(ctx context.Context, record *Record, stages []Stage, resumed bool) error {
	p.tellBegin(record, stages[record.Stage])
	err := p.run(ctx, record, stages, resumed)
	if err == nil {
		if order, readErr := p.Cluster.Order(ctx); readErr == nil && order != "" {
			_ = p.Cluster.WriteOrder(ctx, "") // it is for no other promotion
		}
	}
	p.tellEnd(record, stages, err)
	return err
}

func (p *Promotion) run(ctx context.Context, record *Record, stages []Stage, resumed bool) error {
	for i := record.Stage; i < len(stages); i++ {
		stage := stages[i]
		record.Stage = i
		p.look(i, nil)
		baked := stage.Bake && record.Bake > 0
		stopWatch := func() *Judged { return nil }
		if baked {
			reading, err := p.Cluster.Begin(ctx)
			if err != nil {
				return &HeldError{fmt.Sprintf("before the step to %s %%: the requests cannot be counted: %v", stage.Weight, err)}
			}
			p.findSlow(record, reading)
			stopWatch = p.watch(ctx, record, stage)
		}
		var failed error
		if !resumed {
			failed = p.update(ctx, record, stage)
		}
		resumed = false
		sick := stopWatch()
		if failed != nil { // by the split of somebody who aborts the promotion, perhaps
			if order, err := p.order(ctx, record); err == nil && order.Word == Abort {
				return p.aborted(ctx, order.By)
			}
		}
		switch {
		case sick != nil:
			record.judged(*sick)
			return p.takeBack(ctx, record, record.whySick(sick.Seen, stage.Weight))
		case failed != nil && ctx.Err() != nil:
			return &HeldError{"interrupted at the update for: " + stage.Name}
		case failed != nil && stage.Bake:
			return p.takeBack(ctx, record, fmt.Sprintf("the update to %s %% failed: %v", stage.Weight, failed))
		case failed != nil:
			if why := readiness.CanaryFails(failed.Error()); i == 0 && why != "" {
				return p.takeBack(ctx, record, "the canary failed before it got any request: "+why)
			}
			return &HeldError{fmt.Sprintf("the update failed: %v", failed)}
		}
		begin, stay := p.Now(), p.wait
		if baked {
			stay = p.bake
		}
		if err := stay(ctx, record, stages[i:]); err != nil {
			return err
		}
		if !baked && p.Now().Sub(begin) < splitPause { // nobody was waited for
			continue
		}
		if err := p.stillOurs(ctx, record); err != nil {
			return err
		}
	}
	return nil
}

// update brings a stage up.
func (p *Promotion) update(ctx context.Context, record *Record, stage Stage) error {
	begin := p.Now()
	p.Say(stage.Name)
	change := stack.Change{Set: maps.Clone(stage.Set), Remove: stage.Remove}
	if !slices.Contains(stage.Remove, Key) {
		change.Set[Key] = stack.Value{Text: record.String()}
	}
	err := p.Stack.Update(ctx, change, "canary promote "+record.Image+": "+stage.Name, p.indent)
	took := p.Now().Sub(begin)
	event := Event{Time: begin, Stage: stage.Name, Weight: stage.Weight, Seconds: took.Seconds()}
	if err != nil {
		event.Error = err.Error()
	} else {
		p.indent(fmt.Sprintf("done after %.1f s", took.Seconds()))
		p.tell(record, Notice{What: Done, Stage: stage.Name, Weight: stage.Weight}, "done: "+stage.Name)
	}
	p.Event(event)
	return err
}

// stillOurs reports, as an error, that somebody else ended the promotion or runs it.
func (p *Promotion) stillOurs(ctx context.Context, record *Record) error {
	settings, _, err := p.Stack.Last(ctx)
	if err != nil {
		return err
	}
	now, err := ParseRecord(settings[Key].Text)
	switch {
	case err != nil:
		return err
	case now == nil:
		return &HeldError{"an update of somebody else ended this promotion; nothing more is done"}
	case now.ID == record.ID && now.Failed != "":
		return &TakenBackError{now.Failed}
	case now.ID != record.ID || now.By != record.By && now.By != record.Interrupted:
		return &HeldError{fmt.Sprintf("%v promotes %s now; nothing more is done here", now.By, now.Image)}
	}
	return nil
}

func (p *Promotion) look(stage int, judged *Judged) {
	if p.Look != nil {
		p.Look(stage, judged)
	}
}

func (p *Promotion) indent(line string) { p.Say("    " + strings.ReplaceAll(line, "\n", "\n    ")) }

// split is that of a canary's weight.
func split(weight string) (release.Split, error) {
	parsed, err := config.ParseWeight(weight)
	stable, canary := parsed.Split()
	return release.Split{Stable: stable, Canary: canary}, err
}
