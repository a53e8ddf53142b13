package main

import (
	"context"
	"os"
	"time"
)

// watchFile calls changed with the content of the file once it is there, and again after each time it was
// written, with the same content too: k3d waits for a sign of life after each write. A file that was there
// from the start is read at once; later a change is read when it has rested for one interval, since k3d
// writes in place. It returns when ctx ends.
func watchFile(ctx context.Context, file string, interval time.Duration, changed func([]byte)) {
	type state struct {
		inode    uint64
		modified time.Time
		size     int64
	}
	look := func() (state, bool) {
		info, err := os.Stat(file)
		if err != nil || info.Size() == 0 {
			return state{}, false
		}
		return state{inode: inode(info), modified: info.ModTime(), size: info.Size()}, true
	}
	var done, pending state
	first := true
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if now, ok := look(); ok && now != done {
			if now == pending || first {
				if text, err := os.ReadFile(file); err == nil {
					changed(text)
					done = now
				}
			}
			pending = now
		}
		first = false
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
