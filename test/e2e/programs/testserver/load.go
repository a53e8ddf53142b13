package main

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"canary/test/load"
)

// sendLoad sends requests until it is told to end, and writes records as JSON lines to stdout. A pod with a sidecar runs
// it: between generator and mesh there is nothing that could fail by itself.
func sendLoad(ctx context.Context, target load.Target, long string) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if long != "" {
		target.Long = strings.Split(long, ",")
	}
	lines := load.NewLines(os.Stdout)
	err := load.Generate(ctx, target, lines.Add)
	if closeErr := lines.Close(); err == nil {
		err = closeErr
	}
	return err
}
