package notify

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	// tries is how often a webhook is called for one message, firstPause the time after the
	// first of them, which then doubles.
	tries      = 4
	firstPause = time.Second
	// lastWait is how long the end waits for what was not taken yet.
	lastWait = 15 * time.Second
)

// Webhooks sends messages to addresses, to each in their order, while the caller goes on.
type Webhooks struct {
	queues  []chan<- []byte
	say     func(line string)
	stop    context.CancelFunc
	sending sync.WaitGroup
}

// queued is how many messages may wait for one address; a promotion has fewer.
const queued = 1000

// NewWebhooks makes ready to send; say gets a line for a message that an address did not
// take, from any goroutine.
func NewWebhooks(addresses []Address, say func(line string)) *Webhooks {
	ctx, stop := context.WithCancel(context.Background()) // after Ctrl-C the end is still told
	w := &Webhooks{say: say, stop: stop}
	for _, address := range addresses {
		queue := make(chan []byte, queued)
		w.queues = append(w.queues, queue)
		w.sending.Go(func() {
			for body := range queue {
				if err := deliver(ctx, address, body); err != nil {
					say(fmt.Sprintf("a webhook was not told: %v", err))
				}
			}
		})
	}
	return w
}

// Send sends a message soon. It does not wait.
func (w *Webhooks) Send(body []byte) {
	for _, queue := range w.queues {
		select {
		case queue <- body:
		default:
			w.say("a webhook was not told: too many messages wait for it")
		}
	}
}

// Close sends what waits, for some seconds at most.
func (w *Webhooks) Close() {
	for _, queue := range w.queues {
		close(queue)
	}
	giveUp := time.AfterFunc(lastWait, w.stop)
	w.sending.Wait()
	giveUp.Stop()
	w.stop()
}

// deliver posts a message until it is taken, a few times at most.
func deliver(ctx context.Context, address Address, body []byte) error {
	pause := firstPause
	for try := 1; ; try++ {
		err := address.Post(ctx, body)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%v did not take it before the end", address)
		case try == tries:
			return fmt.Errorf("%w (%d times)", err, tries)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// slackEscapes are the characters that Slack's text may not have as they are.
var slackEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// SlackText is a text as an incoming webhook of Slack shows it as it is.
func SlackText(text string) string { return slackEscapes.Replace(text) }
