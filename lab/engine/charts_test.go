package engine

import (
	"context"
	"testing"
	"time"
)

// The process gets SIGTERM as the end of its context: one that did not listen to it would never stop.
func TestServeChartsEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ServeCharts(ctx, t.TempDir()) }()
	cancel()
	select {
	case <-done: // also when the address was taken
	case <-time.After(10 * time.Second):
		t.Fatal("it still serves")
	}
}
