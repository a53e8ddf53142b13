package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"canary/internal/promotion"
	"canary/internal/stack"
)

// known is what the stack knows of its last promotion.
type known struct {
	record *promotion.Record // nil is that there is none
	done   bool              // the update of its stage
	last   map[string]stack.Value
}

// recorded is what a stack knows by its last update, which is done or failed, and by its
// configuration.
func recorded(last map[string]stack.Value, done bool, settings map[string]stack.Value) (known, error) {
	record, err := promotion.ParseRecord(last[promotion.Key].Text)
	if err == nil && record == nil { // an update that was killed is in no history
		done = false
		record, err = promotion.ParseRecord(settings[promotion.Key].Text)
	}
	return known{record: record, done: done, last: last}, err
}

// record is the promotion to run, by the one that the stack knows.
func (p *promoteCommand) record(record *promotion.Record, settings map[string]stack.Value) (*promotion.Record, error) {
	if record.UnderWay() && record.By.Runs() {
		return nil, fmt.Errorf("%v promotes %s since %s and is at stage %d; `canary status --watch` shows it, and `canary rollback` ends it",
			record.By, record.Image, record.Begun.Format(time.DateTime), record.Stage+1)
	}
	switch {
	case p.resume && !record.UnderWay():
		return nil, errors.New("no promotion was interrupted: `canary promote --image IMAGE` begins one")
	case p.resume:
		record.Interrupted, record.By = record.By, promotion.Me()
		switch given := p.plan.Prometheus; {
		case given == nil:
		case record.Prometheus == nil:
			return nil, errors.New("this promotion was planned without --prometheus, and goes on as it was planned")
		default:
			record.Prometheus.Address = given.Address
		}
		return record, nil
	case record.UnderWay():
		return nil, fmt.Errorf("%v has promoted %s since %s, was interrupted at stage %d, or still runs on its machine: "+
			"`canary promote --resume` goes on with it, and `canary rollback` ends it", record.By, record.Image, record.Begun.Format(time.DateTime), record.Stage+1)
	}
	if err := promotion.Ready(p.plan, settings); err != nil {
		return nil, err
	}
	now := p.env.now()
	return &promotion.Record{Plan: p.plan, ID: strconv.FormatInt(now.UnixNano(), 36), By: promotion.Me(), Begun: now.UTC().Truncate(time.Second)}, nil
}
