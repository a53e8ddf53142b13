package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os/signal"
	"strings"
	"syscall"

	"canary/internal/notify"
	"canary/internal/promotion"
)

// The values of --webhook-format.
const (
	formatJSON  = "json"
	formatSlack = "slack"
)

// The environment variables that stand for flags.
const (
	envWebhook = "CANARY_WEBHOOK"
	envGateURL = "CANARY_GATE_URL"
)

// elsewhere are the programs that a promotion tells and asks.
type elsewhere struct {
	webhooks     []string
	format, gate string

	toTell []notify.Address
	toAsk  *notify.Address
}

// problems parses the URLs, and says without quoting them what is wrong.
func (e *elsewhere) problems(getenv func(string) string) []string {
	var problems []string
	parse := func(name, text string) notify.Address {
		address, err := notify.ParseAddress(text)
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", name, err))
		}
		return address
	}
	name, webhooks := "--webhook", e.webhooks
	if len(webhooks) == 0 {
		name, webhooks = envWebhook, strings.Fields(getenv(envWebhook))
	}
	for _, text := range webhooks {
		e.toTell = append(e.toTell, parse(name, text))
	}
	if gate := cmp.Or(e.gate, getenv(envGateURL)); gate != "" {
		name = "--gate-url"
		if e.gate == "" {
			name = envGateURL
		}
		address := parse(name, gate)
		e.toAsk = &address
	}
	if e.format != formatJSON && e.format != formatSlack {
		problems = append(problems, fmt.Sprintf("--webhook-format is %q, allowed are json, slack", e.format))
	}
	return problems
}

// begin makes ready to tell; told waits for what was not taken yet, for some seconds.
func (e *elsewhere) begin(say func(line string)) (tell func(promotion.Notice), told func()) {
	webhooks := notify.NewWebhooks(e.toTell, say)
	return func(notice promotion.Notice) { webhooks.Send(e.message(notice)) }, webhooks.Close
}

// message is a notice in the format that the webhooks want.
func (e *elsewhere) message(notice promotion.Notice) []byte {
	if e.format == formatSlack {
		return marshal(map[string]string{"text": notify.SlackText(notice.Text)})
	}
	return marshal(notice)
}

// gateOf asks the gate; nil is that there is none. A promotion that began with one is not
// resumed without it.
func (e *elsewhere) gateOf(record *promotion.Record) (func(context.Context, promotion.Notice) error, error) {
	if e.toAsk == nil {
		if record.Gated {
			return nil, fmt.Errorf("the promotion began with a gate, whose URL is kept nowhere: give --gate-url or %s again", envGateURL)
		}
		return nil, nil
	}
	record.Gated = true
	return func(ctx context.Context, question promotion.Notice) error {
		return e.toAsk.Post(ctx, marshal(question))
	}, nil
}

func marshal(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // numbers, words and times
	}
	return text
}

// answers are the lines that a person types while one is asked; nil is that nobody can.
func (p *promoteCommand) answers(record *promotion.Record) <-chan string {
	if !record.Manual || p.env.keyboard == nil || p.output != outputTable {
		return nil
	}
	// A process in the background that reads its terminal is stopped, and would judge nothing;
	// so the read fails.
	signal.Ignore(syscall.SIGTTIN)
	answers := make(chan string)
	go func() {
		defer close(answers)
		lines := bufio.NewScanner(p.env.keyboard)
		for lines.Scan() {
			select {
			case answers <- lines.Text():
			default: // nothing was asked
			}
		}
	}()
	return answers
}
