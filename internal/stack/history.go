package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/opthistory"
)

// historyPage is how many updates are asked for at once.
const historyPage = 100

// Recorded is an update as the stack's history has it.
type Recorded struct {
	// Kind is "update", "refresh" and the like, and Message what its runner called it.
	Kind, Message string
	// Begun and Ended are whole seconds.
	Begun, Ended time.Time
	Succeeded    bool
	// Settings are the project's keys that it ran with, without what is secret.
	Settings map[string]Value
}

// History are the recorded updates of the stack, the oldest first; one that was killed is
// not among them.
func (u *Updater) History(ctx context.Context) ([]Recorded, error) {
	var all []Recorded
	for page := 1; ; page++ {
		updates, err := u.stack.History(ctx, historyPage, page, opthistory.ShowSecrets(false))
		if err != nil {
			return nil, err
		}
		for _, update := range updates {
			if update.EndTime == nil {
				continue // it is under way
			}
			r := Recorded{Kind: update.Kind, Message: update.Message, Succeeded: update.Result == "succeeded", Settings: u.own(update.Config)}
			var begun, ended error
			r.Begun, begun = time.Parse(time.RFC3339, update.StartTime)
			r.Ended, ended = time.Parse(time.RFC3339, *update.EndTime)
			if err := errors.Join(begun, ended); err != nil {
				return nil, fmt.Errorf("the stack's history has an update %q without a time: %w", update.Message, err)
			}
			all = append(all, r)
		}
		if len(updates) < historyPage {
			slices.Reverse(all)
			return all, nil
		}
	}
}
