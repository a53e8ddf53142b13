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
	Before  int      `json:"before,omitempty"` // how many records there were in the lines before
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
	for len(waiting) > 0 {
		n := min(perLine, len(waiting))
		l.write(line{Before: l.sent, Records: waiting[:n]})
		l.sent += n
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

// Reader reads the log of a generator, whole or in pieces that overlap.
type Reader struct {
	add  func(Record)
	read int // records
}

// NewReader hands over each record once.
func NewReader(add func(Record)) *Reader { return &Reader{add: add} }

var errCut = errors.New("log of the generator: it ends without the number of its records")

// Read reads a piece. The error is errCut when the log goes on behind it, and another one when the log is not whole.
func (r *Reader) Read(in io.Reader) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var l line
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			text := scanner.Text()
			if !scanner.Scan() {
				return errCut
			}
			return fmt.Errorf("log of the generator: %w in %q", err, text)
		}
		if l.Before > r.read {
			return fmt.Errorf("log of the generator: %d records were read, and %d were written before the next", r.read, l.Before)
		}
		for _, record := range l.Records[min(r.read-l.Before, len(l.Records)):] {
			r.read++
			r.add(record)
		}
		if l.Sent != nil {
			if *l.Sent != r.read {
				return fmt.Errorf("log of the generator: it has %d records, and %d were written", r.read, *l.Sent)
			}
			return nil
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("%w: %w", errCut, err)
	}
	return errCut
}
