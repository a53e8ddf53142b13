package load

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"canary/internal/traffic"
)

const (
	// longTimeout is well above the longest request that is sent, and above what any takes on a machine that has more to do
	// than it can: late is not lost. How long they took is counted.
	longTimeout = 90 * time.Second

	longRate = 0.5
)

// LongPaths are requests of 5 to 20 s to the test server; the last one is answered slowly instead of late.
var LongPaths = []string{"/slow?seconds=5", "/slow?seconds=10", "/slow?seconds=20", "/stream?seconds=20"}

// Target says what to send where.
type Target struct {
	// URL without a path, such as http://app-example.
	URL string
	// Rate is the short requests per second.
	Rate float64
	// Long are the paths of long requests; one to each of them is sent every two seconds.
	Long []string
	// Timeout is when a request is given up; 0 is one that no request reaches.
	Timeout time.Duration
	// Node is where a generator inside of the cluster runs; "" is any node.
	Node string
}

// Generate sends POST requests over kept connections until the context ends, none of them twice, and hands over what
// became of each. Requests that are unanswered at the end have no record: end it when nothing changes any more, later
// than the longest request takes. Add is never called concurrently.
func Generate(ctx context.Context, t Target, add func(Record)) error {
	timeout := cmp.Or(t.Timeout, longTimeout)
	records := make(chan Record, 1024)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for r := range records {
			add(r)
		}
	}()
	var group errgroup.Group
	send := func(path string, rate float64) {
		group.Go(func() error {
			err := traffic.Run(ctx, traffic.Options{
				URL: strings.TrimSuffix(t.URL, "/") + path, Method: http.MethodPost, Body: []byte(`{"order":1}`),
				Rate: rate, Timeout: timeout,
				OnResult: func(r traffic.Result) {
					if path == "/" {
						records <- newRecord(r, "")
					} else {
						records <- newRecord(r, path)
					}
				},
			})
			if errors.Is(err, traffic.ErrInterrupted) {
				return nil
			}
			return err
		})
	}
	send("/", t.Rate)
	for _, path := range t.Long {
		send(path, longRate)
	}
	err := group.Wait()
	close(records)
	<-done
	return err
}
