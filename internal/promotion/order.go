package promotion

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"canary/internal/release"
)

// Word is what somebody elsewhere tells the process that runs a promotion.
type Word string

// The words.
const (
	Pause    Word = "pause"    // no stage begins until Continue
	Continue Word = "continue" // also the answer that a manual promotion waits for
	Abort    Word = "abort"    // the process ends; who says it takes the canary back
)

// Order is a word for one promotion. It stands in the cluster, where every machine that
// can change the split can write it, and the process that runs the promotion looks anyway.
type Order struct {
	// Promotion is the ID of its Record, and ID tells the order from the one before.
	Promotion string `json:"promotion"`
	ID        string `json:"id"`
	Word      Word   `json:"word"`
	By        Runner `json:"by"`
}

// Give writes an order of this process for a promotion.
func Give(ctx context.Context, cluster Cluster, record *Record, word Word, now time.Time) error {
	text, err := json.Marshal(Order{Promotion: record.ID, ID: strconv.FormatInt(now.UnixNano(), 36), Word: word, By: Me()})
	if err != nil {
		return err
	}
	return cluster.WriteOrder(ctx, string(text))
}

// order is the last one for the promotion. One for another, and what is no order, is none.
func (p *Promotion) order(ctx context.Context, record *Record) (Order, error) {
	text, err := p.Cluster.Order(ctx)
	if err != nil || text == "" {
		return Order{}, err
	}
	var order Order
	if err := json.Unmarshal([]byte(text), &order); err != nil || order.Promotion != record.ID {
		return Order{}, nil //nolint:nilerr // written by nobody who knows this program
	}
	return order, nil
}

// Abort ends a promotion for the person of this process: the process that runs it is told,
// and the canary is taken back by an update that records who did it.
func (p *Promotion) Abort(ctx context.Context, record *Record) error {
	if err := Give(ctx, p.Cluster, record, Abort, p.Now()); err != nil {
		p.Say("the process that runs the promotion was not told, and will see the split move: " + err.Error())
	}
	return p.takeBack(ctx, record, "aborted by "+Me().String())
}

// aborted ends the promotion of this process for somebody else, who records it.
func (p *Promotion) aborted(ctx context.Context, by Runner) error {
	reason := "aborted by " + by.String()
	if err := p.Cluster.Write(context.WithoutCancel(ctx), release.Split{Stable: 100}); err != nil {
		p.Say("the split was not written here: " + err.Error())
	}
	p.Event(Event{Time: p.Now(), Stage: "roll back", Weight: "0", Error: reason})
	return &TakenBackError{reason}
}

// heed says what an order changes, once, and reports whether the promotion is paused. No
// order changes nothing: it may not have been read.
func (p *Promotion) heed(record *Record, stage Stage, order Order) (paused bool) {
	paused = order.Word == Pause
	if order == p.heeded || order == (Order{}) {
		return paused
	}
	switch {
	case paused:
		p.waits(record, stage, "paused by "+order.By.String()+": `canary promote --continue` goes on")
	case p.heeded.Word == Pause && order.Word == Continue:
		p.indent("goes on, by " + order.By.String())
	}
	p.heeded = order
	return paused
}
