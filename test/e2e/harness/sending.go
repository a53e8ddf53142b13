//go:build e2e

package harness

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/traffic"
)

// Send sends requests at the rate of the options, until finish gives what became of them or the test ends. OnResult may
// be set to see each as well.
func Send(t *testing.T, o traffic.Options) (finish func() *traffic.Tally) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	tally, done, also := new(traffic.Tally), make(chan error, 1), o.OnResult
	o.OnResult = func(r traffic.Result) {
		tally.Add(r)
		if also != nil {
			also(r)
		}
	}
	go func() { done <- traffic.Run(ctx, o) }()
	t.Cleanup(cancel)
	return func() *traffic.Tally {
		t.Helper()
		cancel()
		require.ErrorIs(t, <-done, traffic.ErrInterrupted)
		return tally
	}
}

// Load sends so many requests a second through the gateway, as Send does.
func (a App) Load(t *testing.T, rate float64) (finish func() *traffic.Tally) {
	t.Helper()
	return Send(t, traffic.Options{URL: fmt.Sprintf("http://127.0.0.1:%d/", a.Port), Host: a.Host, Rate: rate})
}

// RequireNoneFailed fails the test unless there were requests, and all were answered well.
func RequireNoneFailed(t *testing.T, tally *traffic.Tally) {
	t.Helper()
	t.Logf("%d requests, %d failed", tally.Requests(), tally.Failed())
	require.Positive(t, tally.Requests())
	require.Zero(t, tally.Failed(), "%v", tally.Failures())
}
