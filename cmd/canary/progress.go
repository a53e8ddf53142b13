package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// progressInterval keeps the line readable and cheap.
const progressInterval = 100 * time.Millisecond

// progress is one line on a terminal that is written over. Without a terminal
// it is silent.
type progress struct {
	terminal *os.File

	mu      sync.Mutex
	written time.Time
}

// terminalOf is the file when it is a terminal, and nil otherwise.
func terminalOf(file *os.File) *os.File {
	if !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	return file
}

// show replaces the line, unless that was done a moment ago.
func (p *progress) show(format string, args ...any) {
	if p.terminal == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.written) < progressInterval {
		return
	}
	p.written = time.Now()
	text := []rune(fmt.Sprintf(format, args...))
	if width, _, err := term.GetSize(int(p.terminal.Fd())); err == nil && len(text) >= width && width > 0 {
		text = text[:width-1] // a line that wraps cannot be written over
	}
	fmt.Fprintf(p.terminal, "\r\x1b[K%s", string(text))
}

// clear removes the line.
func (p *progress) clear() {
	if p.terminal == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.written = time.Time{}
	fmt.Fprint(p.terminal, "\r\x1b[K")
}
