//go:build e2e

package harness

import (
	"os"
	"strconv"
	"time"
)

// RecordOfBringUp is what could be seen of a bring-up from outside.
type RecordOfBringUp struct {
	Log       string
	Arguments map[string]bool // the command lines of processes on this machine
}

// BringUp is that of the shared stack.
var BringUp RecordOfBringUp

// ArgumentWatch collects command lines; where there is no /proc it sees none.
type ArgumentWatch struct {
	stop, done chan struct{}
	seen       map[string]bool
	looks      map[string]int // by process
}

// WatchArguments begins to watch.
func WatchArguments() *ArgumentWatch {
	w := &ArgumentWatch{stop: make(chan struct{}), done: make(chan struct{}), seen: map[string]bool{}, looks: map[string]int{}}
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

func (w *ArgumentWatch) look() {
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
		process, _ := strconv.Atoi(name)
		if arguments := Arguments(process); arguments != "" {
			w.seen[arguments] = true
		}
	}
}

// End ends the watch and gives the arguments that were seen.
func (w *ArgumentWatch) End() map[string]bool {
	close(w.stop)
	<-w.done
	return w.seen
}
