package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		acks := make(chan ack, 100)
		var printed []wave
		done := make(chan error)
		go func() {
			done <- watch(ctx, options{count: 2, quiet: time.Second}, acks, func(v any) error {
				printed = append(printed, v.(wave))
				return nil
			})
		}()
		send := func(sidecar int, version string) { acks <- ack{sidecar: sidecar, version: version, at: time.Now()} }
		send(0, "1")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(printed) != 0 {
			t.Fatalf("ready before all have acknowledged: %+v", printed)
		}
		send(1, "1")
		time.Sleep(2 * time.Second)
		send(0, "2")
		time.Sleep(500 * time.Millisecond)
		last := time.Now()
		send(0, "3")
		send(1, "3")
		time.Sleep(2 * time.Second)
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if len(printed) != 2 || printed[0].Event != "ready" || printed[0].Proxies != 2 {
			t.Fatalf("printed %+v", printed)
		}
		w := printed[1]
		if w.Event != "wave" || w.Proxies != 2 || w.Acks != 3 || w.Version != "3" || !w.Last.Equal(last) || w.Seconds != 0.5 {
			t.Fatalf("printed %+v", w)
		}
	})
}
