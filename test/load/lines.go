package load

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// flushEvery is how long a record may wait for its line.
const flushEvery = 200 * time.Millisecond

// line is one line of a log: some records, or the number of all of them at the end.
type line struct {
	Records []Record `json:"records,omitempty"`
	Sent    *int     `json:"sent,omitempty"`
}

// Lines writes records as JSON lines.
type Lines struct {
	mu      sync.Mutex
	out     io.Writer
	waiting []Record
	sent    int
	err     error
	stop    chan struct{}
	stopped sync.WaitGroup
}

// NewLines starts to write; Close ends it.
func NewLines(out io.Writer) *Lines {
	l := &Lines{out: out, stop: make(chan struct{})}
	l.stopped.Go(func() {
		ticker := time.NewTicker(flushEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				l.flush()
			case <-l.stop:
				return
			}
		}
	})
	return l
}

// Add takes a record.
func (l *Lines) Add(r Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, r)
}

// Close writes what is left, and the number of all records.
func (l *Lines) Close() error {
	close(l.stop)
	l.stopped.Wait()
	l.flush()
	l.write(line{Sent: &l.sent})
	return l.err
}

func (l *Lines) flush() {
	const perLine = 50 // far below the length at which container runtimes cut lines
	l.mu.Lock()
	waiting := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	l.sent += len(waiting)
	for len(waiting) > 0 {
		n := min(perLine, len(waiting))
		l.write(line{Records: waiting[:n]})
		waiting = waiting[n:]
	}
}

func (l *Lines) write(v line) {
	text, err := json.Marshal(v)
	if err == nil {
		_, err = l.out.Write(append(text, '\n'))
	}
	if l.err == nil {
		l.err = err
	}
}

// ReadLines hands over the records of a log until its end. It fails when the log is not whole.
func ReadLines(in io.Reader, add func(Record)) error {
	received := 0
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var l line
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			return fmt.Errorf("log of the generator: %w in %q", err, scanner.Text())
		}
		for _, r := range l.Records {
			received++
			add(r)
		}
		if l.Sent != nil {
			if *l.Sent != received {
				return fmt.Errorf("log of the generator: it has %d records, and %d were written", received, *l.Sent)
			}
			return nil
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("log of the generator: %w", err)
	}
	return errors.New("log of the generator: it ends without the number of its records")
}
