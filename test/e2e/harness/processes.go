//go:build e2e

package harness

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Child is a process that another one has started.
type Child struct {
	Process   int
	Arguments string
}

// Children are the processes that a process has started and that run.
func Children(parent int) []Child {
	var children []Child
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, fields, _ := strings.Cut(string(stat), ") ") // the name before it may have spaces
		if words := strings.Fields(fields); len(words) < 2 || words[1] != strconv.Itoa(parent) {
			continue
		}
		process, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		arguments, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		children = append(children, Child{process, string(bytes.ReplaceAll(arguments, []byte{0}, []byte{' '}))})
	}
	return children
}
