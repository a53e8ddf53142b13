package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"canary/internal/promotion"
	"canary/internal/release"
)

// Exit codes of promote, besides exitCannot.
const (
	exitTakenBack = 4
	exitHeld      = 5
)

// planned is the plan as --output json has it.
type planned struct {
	Time      time.Time      `json:"time"`
	Stage     string         `json:"stage"` // "plan"
	App       string         `json:"app"`
	Promotion string         `json:"promotion"`
	Plan      promotion.Plan `json:"plan"`
	Stages    []plannedStage `json:"stages"`
}

type plannedStage struct {
	Name   string `json:"name"`
	Weight string `json:"weight"`
	Judged bool   `json:"judged"`
	Done   bool   `json:"done"`
}

// show prints the plan.
func (p *promoteCommand) show(record *promotion.Record, stages []promotion.Stage, app release.App) {
	plan := planned{Time: p.env.now(), Stage: "plan", App: app.Namespace + "/" + app.Name, Promotion: record.ID, Plan: record.Plan}
	for i, stage := range stages {
		plan.Stages = append(plan.Stages, plannedStage{stage.Name, stage.Weight, stage.Bake && record.Bake > 0, i < record.Stage})
	}
	p.object(plan)
	p.say(fmt.Sprintf("promote %s as %s/%s:", record.Image, app.Namespace, app.Name))
	if record.Prometheus != nil {
		p.say("     the requests are counted by Prometheus at " + record.Prometheus.Address)
	}
	if len(record.Failures) > 0 {
		p.say("     failures are answers with the status " + strings.Join(record.Failures, ", "))
	}
	for i, stage := range plan.Stages {
		line := fmt.Sprintf("%3d. %s", i+1, stage.Name)
		if stage.Judged {
			line += fmt.Sprintf(", judged for %v", record.Bake)
		}
		if stage.Done {
			line += " (done)"
		}
		p.say(line)
	}
}

// end says how the promotion ended.
func (p *promoteCommand) end(err error, took time.Duration) error {
	takenBack, held := new(promotion.TakenBackError), new(promotion.HeldError)
	event := promotion.Event{Time: p.env.now(), Stage: "end", Seconds: took.Seconds(), Outcome: promotion.Promoted}
	defer func() { p.event(event) }()
	switch {
	case err == nil:
		p.say(fmt.Sprintf("promoted after %.1f s; the stack's file has changed: commit it", took.Seconds()))
		return nil
	case errors.As(err, &takenBack):
		event.Outcome, event.Reason = promotion.TakenBack, takenBack.Reason
		p.say("taken back after " + fmt.Sprintf("%.1f s: ", took.Seconds()) + takenBack.Reason)
		return exitCode(exitTakenBack)
	case errors.As(err, &held):
		event.Outcome, event.Reason = promotion.Held, held.Reason
		p.say(held.Reason + "\n`canary promote --resume` goes on with it, and `canary rollback` takes the requests from the canary")
		return exitCode(exitHeld)
	}
	event.Outcome, event.Reason = promotion.Failed, err.Error()
	return err
}

func (p *promoteCommand) say(line string) {
	p.printing.Lock()
	defer p.printing.Unlock()
	switch {
	case p.view != nil:
		p.view.Say(line)
	case p.output == outputTable:
		fmt.Fprintln(p.env.stdout, line)
	}
}

func (p *promoteCommand) event(event promotion.Event) { p.object(event) }

// object is for programs.
func (p *promoteCommand) object(object any) {
	p.printing.Lock()
	defer p.printing.Unlock()
	if p.output == outputJSON {
		_ = json.NewEncoder(p.env.stdout).Encode(object)
	}
}
