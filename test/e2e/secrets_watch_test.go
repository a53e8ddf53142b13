//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"time"
)

// recordOfBringUp is what could be seen of a bring-up from outside.
type recordOfBringUp struct {
	log       string
	arguments map[string]bool // the command lines of processes on this machine
}

// bringUp is that of the shared stack.
var bringUp recordOfBringUp

// argumentWatch collects command lines; where there is no /proc it sees none.
type argumentWatch struct {
	stop, done chan struct{}
	seen       map[string]bool
	looks      map[string]int // by process
}

func watchArguments() *argumentWatch {
	w := &argumentWatch{stop: make(chan struct{}), done: make(chan struct{}), seen: map[string]bool{}, looks: map[string]int{}}
	go func() {
		defer close(w.done)
		ticker := time.NewTicker(30 * time.Millisecond)
		defer ticker.Stop()
		for {
			w.look()
			select {
			case <-ticker.C:
			case <-w.stop:
				return
			}
		}
	}()
	return w
}

func (w *argumentWatch) look() {
	const enough = 3 // a process that was just forked still has the arguments of its parent
	proc, err := os.Open("/proc")
	if err != nil {
		return
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' || w.looks[name] == enough {
			continue
		}
		w.looks[name]++
		if b, err := os.ReadFile("/proc/" + name + "/cmdline"); err == nil && len(b) > 0 {
			w.seen[string(bytes.ReplaceAll(b, []byte{0}, []byte{' '}))] = true
		}
	}
}

func (w *argumentWatch) end() map[string]bool {
	close(w.stop)
	<-w.done
	return w.seen
}
