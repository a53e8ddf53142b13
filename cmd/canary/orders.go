package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"canary/internal/prometheus"
	"canary/internal/promotion"
)

// orders are the flags by which a promotion that runs is told something.
type orders struct{ pause, goOn, abort bool }

// word is the one that is given; "" is none.
func (o orders) word() promotion.Word {
	switch {
	case o.pause:
		return promotion.Pause
	case o.goOn:
		return promotion.Continue
	case o.abort:
		return promotion.Abort
	}
	return ""
}

// validate allows nothing beside an order but the stack and the output.
func (o orders) validate(cmd *cobra.Command) error {
	allowed := 1
	for _, flag := range []string{"stack", "output"} {
		if cmd.Flags().Changed(flag) {
			allowed++
		}
	}
	if cmd.Flags().NFlag() > allowed {
		return fmt.Errorf("--%s is for a promotion that runs; beside it only --stack and --output are allowed", o.word())
	}
	return nil
}

// order tells the promotion that runs somewhere a word.
func (p *promoteCommand) order(ctx context.Context, word promotion.Word) error {
	s, err := p.subject(ctx)
	if err != nil {
		return err
	}
	record := s.known.record
	switch {
	case !record.UnderWay():
		return errors.New("no promotion is under way: `canary promote --image IMAGE` begins one")
	case word != promotion.Abort && record.By.Gone():
		return fmt.Errorf("%v promoted %s and was interrupted: `canary promote --resume` goes on with it, and `canary promote --abort` ends it", record.By, record.Image)
	}
	cluster, err := p.env.promotion(s.kubeconfig, s.app, promotion.Plan{}, prometheus.Access{})
	if err != nil {
		return err
	}
	defer cluster.Close()
	if word == promotion.Abort {
		run := &promotion.Promotion{Stack: s.updater, Cluster: cluster, Say: p.say, Event: p.event, Now: p.env.now}
		if err := run.Abort(ctx, record); !errors.As(err, new(*promotion.TakenBackError)) {
			return err
		}
		return nil
	}
	if err := promotion.Give(ctx, cluster, record, word, p.env.now()); err != nil {
		return err
	}
	what := "goes on"
	if word == promotion.Pause {
		what = "begins no further stage until `canary promote --continue`; its canary is judged on"
	}
	line := fmt.Sprintf("the promotion of %s by %v %s", record.Image, record.By, what)
	p.say(line)
	p.event(promotion.Event{Time: p.env.now(), Stage: string(word), Reason: line})
	return nil
}
