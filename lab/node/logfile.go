package main

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
)

// logFile takes a component's output. It is appended to over restarts; at its limit it
// becomes <path>.1, in the place of an older one, and starts anew.
type logFile struct {
	path  string
	limit int64

	mu   sync.Mutex
	file *os.File
	size int64
	last []byte // the end of the output, to show when the component fails
}

// lastKept bounds the part of the output that is kept in memory, in bytes.
const lastKept = 2048

func openLog(path string, limit int64) (*logFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	l := &logFile{path: path, limit: limit}
	return l, l.open()
}

func (l *logFile) open() error {
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	l.file, l.size = file, info.Size()
	return nil
}

// Write never fails: a full disk must not stop a component.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = append(l.last, p...)
	if extra := len(l.last) - lastKept; extra > 0 {
		l.last = append([]byte(nil), l.last[extra:]...)
	}
	if l.size+int64(len(p)) > l.limit && l.size > 0 {
		l.rotate()
	}
	if l.file != nil {
		n, _ := l.file.Write(p)
		l.size += int64(n)
	}
	return len(p), nil
}

func (l *logFile) rotate() {
	if l.file != nil {
		l.file.Close()
	}
	l.file = nil
	if os.Rename(l.path, l.path+".1") == nil {
		_ = l.open()
	}
}

// lastLine is the last line of the output so far, without what is before the kept part.
func (l *logFile) lastLine() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := bytes.TrimSpace(l.last)
	return string(text[bytes.LastIndexByte(text, '\n')+1:])
}

func (l *logFile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
	}
	l.file = nil
}
