// Package report tells a promotion as one page of HTML, from the stack's history alone.
package report

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"canary/internal/config"
	"canary/internal/judge"
	"canary/internal/promotion"
	"canary/internal/stack"
)

// Outcome is how a promotion ended.
type Outcome string

// The outcomes.
const (
	Promoted   Outcome = "promoted"
	TakenBack  Outcome = "taken back"
	RolledBack Outcome = "rolled back by hand"
	Ended      Outcome = "ended by another update"
	Held       Outcome = "held"
	UnderWay   Outcome = "under way"
	Unknown    Outcome = "under way, or held"
)

// Report is a promotion as the history has it.
type Report struct {
	// Stack is that of the history, in words.
	Stack string
	// Record is the newest one.
	Record  promotion.Record
	Updates []Update
	Outcome Outcome
	// Steps are those that were judged.
	Steps []Step
}

// Update is one of the promotion's updates.
type Update struct {
	stack.Recorded
	// Name is what it was for, and Weight what the canary had after it, in percent.
	Name   string
	Weight float64
}

// Seconds is how long the update took.
func (u Update) Seconds() float64 { return u.Ended.Sub(u.Begun).Seconds() }

// Step is a step that was judged.
type Step struct {
	promotion.Judged
	// Stable are the requests of the step itself; the verdict of the last step has those of
	// the steps before beside them.
	Stable judge.Counts
	// Begun is when the step was read first.
	Begun time.Time
	// Copied is whether the canary's requests are copies in part, or all of them: then they say
	// nothing about its share.
	Copied bool
}

// Share is the canary's share of the step's requests, 0 to 1: of those since its update,
// when the history has readings, otherwise also of those during it.
func (s Step) Share() float64 {
	stable, canary := s.Stable.Requests, s.Verdict.Canary.Requests
	if len(s.Samples) > 0 && stable+canary > s.Samples[0].Stable.Requests+s.Samples[0].Canary.Requests {
		stable, canary = stable-s.Samples[0].Stable.Requests, canary-s.Samples[0].Canary.Requests
	}
	return share(stable, canary)
}

func share(stable, canary uint64) float64 {
	return float64(canary) / float64(max(1, stable+canary))
}

// Find gathers a promotion from a history, the oldest update first; id "" is the last one.
func Find(history []stack.Recorded, id string) (*Report, error) {
	records := make([]*promotion.Record, len(history))
	var known []string
	for i, update := range history {
		record, _ := promotion.ParseRecord(update.Settings[promotion.Key].Text) // what is none is nobody's promotion
		if records[i] = record; record != nil && !slices.Contains(known, record.ID) {
			known = append(known, record.ID)
		}
	}
	switch {
	case len(known) == 0:
		return nil, errors.New("the stack's history has no promotion: `canary promote --image IMAGE` begins one")
	case id != "" && !slices.Contains(known, id):
		return nil, fmt.Errorf("--id is %q, and the stack's history has %s", id, strings.Join(known, ", "))
	}
	r := new(Report)
	id = cmp.Or(id, known[len(known)-1])
	for i, update := range history {
		switch record := records[i]; {
		case record != nil && record.ID == id:
			r.add(update, record)
		case record == nil && len(r.Updates) > 0: // it removed the record
			r.add(update, &r.Record)
			r.Outcome = ending(update, &r.Record)
		}
		if r.Outcome != "" || r.Record.Failed != "" {
			break
		}
	}
	if r.Outcome == "" {
		r.Outcome = open(&r.Record)
	}
	return r, nil
}

// add takes an update in, and the steps that its record has and the one before had not.
func (r *Report) add(update stack.Recorded, record *promotion.Record) {
	weight, _ := config.ParseWeight(update.Settings["canaryWeight"].Text) // that of a recorded update is one
	r.Updates = append(r.Updates, Update{
		Recorded: update, Weight: float64(weight) / 100,
		Name: cmp.Or(strings.TrimPrefix(update.Message, "canary promote "+record.Image+": "), update.Kind),
	})
	copied, err := config.ParseWeight(update.Settings["mirrorPercent"].Text)
	for _, judged := range record.Judged {
		if slices.ContainsFunc(r.Steps, func(s Step) bool { return s.Weight == judged.Weight && s.Seconds == judged.Seconds }) {
			continue
		}
		step := Step{Judged: judged, Stable: judged.Verdict.Stable, Begun: update.Begun.Add(-time.Duration(judged.Seconds * float64(time.Second))), Copied: err == nil && copied > 0}
		if judged.Weight == "100" {
			for _, before := range r.Steps {
				step.Stable.Requests -= min(step.Stable.Requests, before.Stable.Requests)
				step.Stable.Failures -= min(step.Stable.Failures, before.Stable.Failures)
			}
		}
		r.Steps = append(r.Steps, step)
	}
	r.Record = *record
}

// ending is how an update without a record ended the promotion.
func ending(update stack.Recorded, record *promotion.Record) Outcome {
	switch {
	case update.Message == "canary rollback":
		return RolledBack
	case !strings.HasPrefix(update.Message, "canary promote "+record.Image+": "):
		return Ended
	case !update.Succeeded:
		return Held
	}
	return Promoted
}

// open is the state of a promotion that no update ended.
func open(record *promotion.Record) Outcome {
	if record.Failed != "" {
		return TakenBack
	}
	switch {
	case record.By.Runs():
		return UnderWay
	case record.By.Gone():
		return Held
	}
	return Unknown
}
