//go:build e2e

package harness

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Run runs a command and returns its standard output; when it fails, so does the test, with all that it printed.
func Run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	out, stderr, err := Try(dir, env, name, args...)
	require.NoErrorf(t, err, "%s %s\n%s\n%s", name, strings.Join(args, " "), out, stderr)
	return out
}

// Try runs a command; env nil is that of the tests.
func Try(dir string, env []string, name string, args ...string) (stdout, stderr string, err error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, env
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}

// FreePort is a TCP port of this machine that nobody listens on.
func FreePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// LastLines are the last lines of a text.
func LastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// LineWith is the last line that has a text in it: the diagnostics come after the progress.
func LineWith(output, text string) string {
	lines := strings.Split(output, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.Contains(lines[i], text) {
			return strings.TrimSpace(lines[i])
		}
	}
	return fmt.Sprintf("no line with %q in:\n%s", text, output)
}

// Arguments is the command line of a process, a word after the other; "" of one that has ended.
func Arguments(process int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", process))
	return string(bytes.ReplaceAll(b, []byte{0}, []byte{' '}))
}

// Descendants are the processes that came of one, and of those; they end with their parents unknown to each other.
func Descendants(of int) []int {
	parents := map[int]int{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// pid (comm) state ppid …; comm may have spaces and parentheses.
		var state string
		var parent int
		if _, err := fmt.Sscan(string(b[bytes.LastIndexByte(b, ')')+1:]), &state, &parent); err != nil {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil {
			parents[pid] = parent
		}
	}
	var found []int
	for queue := []int{of}; len(queue) > 0; queue = queue[1:] {
		for pid, parent := range parents {
			if parent == queue[0] {
				found = append(found, pid)
				queue = append(queue, pid)
			}
		}
	}
	return found
}
