package promotion

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"canary/internal/release"
	"canary/internal/stack"
)

// lockPause is the time until a roll back is recorded again that another update kept from
// it, lockWait how long that goes on.
const (
	lockPause = 2 * time.Second
	lockWait  = 2 * time.Minute
)

// takeBack gives all requests to stable: at once, and then by an update that is recorded.
func (p *Promotion) takeBack(ctx context.Context, record *Record, reason string) error {
	// Also when the user has just pressed Ctrl-C: a sick canary must not be left.
	ctx = context.WithoutCancel(ctx)
	begin := p.Now()
	p.Say("rolling back: " + reason)
	if err := p.Cluster.Write(ctx, release.Split{Stable: 100}); err != nil {
		p.indent(fmt.Sprintf("the split was not written at once: %v", err))
	}
	record.Failed = strings.Join(append([]string{reason}, p.Cluster.Describe(ctx)...), "\n")
	inForce, err, readErr := p.recordBack(ctx, record)
	took := p.Now().Sub(begin)
	p.Event(Event{Time: begin, Stage: "roll back", Weight: "0", Seconds: took.Seconds(), Error: reason})
	if readErr != nil || inForce.Canary != 0 {
		return fmt.Errorf("%s\nthe roll back failed: %w", reason, errors.Join(err, readErr))
	}
	p.indent(fmt.Sprintf("done after %.1f s: all requests go to stable; the canary's pods are kept", took.Seconds()))
	if err != nil {
		p.indent(fmt.Sprintf("the update said: %v", err))
	}
	return &TakenBackError{record.Failed}
}

// recordBack brings a roll back up; inForce is the split after it. An update of somebody
// else is waited for. One that runs on this machine may have changed the stack's file in
// between, so the file is written again, too.
func (p *Promotion) recordBack(ctx context.Context, record *Record) (inForce release.Split, failed, unread error) {
	change := stack.Change{Set: map[string]stack.Value{"canaryWeight": {Text: "0"}, Key: {Text: record.String()}}}
	for begin := p.Now(); ; time.Sleep(lockPause) {
		err := p.Stack.Update(ctx, change, "canary promote "+record.Image+": roll back", p.indent)
		inForce, readErr := p.Cluster.Split(ctx)
		locked := errors.As(err, new(*stack.LockedError))
		overwritten := err == nil && readErr == nil && inForce.Canary != 0
		if !locked && !overwritten || p.Now().Sub(begin) >= lockWait {
			return inForce, err, readErr
		}
		p.indent("again, after another update of the stack")
	}
}
