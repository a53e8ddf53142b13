// Package machine says what a measurement ran on.
package machine

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Facts is one line: processor, cores, memory, kernel, load.
func Facts() string {
	return fmt.Sprintf("%s, %d cores, %s of memory, %s, Linux %s, load average %s at the end",
		field("/proc/cpuinfo", "model name"), runtime.NumCPU(), field("/proc/meminfo", "MemTotal"), runtime.GOARCH,
		first("/proc/sys/kernel/osrelease"), first("/proc/loadavg"))
}

func field(file, key string) string {
	f, err := os.Open(file)
	if err != nil {
		return "unknown " + key
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return "unknown " + key
}

func first(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(text))[0]
}
