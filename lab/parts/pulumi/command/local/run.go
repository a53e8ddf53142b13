package local

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
)

// The variables that hold the last output of the same resource.
const (
	previousStdout = "PULUMI_COMMAND_STDOUT"
	previousStderr = "PULUMI_COMMAND_STDERR"
)

// run runs command with the settings of state and returns what it wrote. Lines of
// the streams that the settings show go to log as they are written; log must be
// safe for concurrent use. The error holds the command and all that it wrote.
//
// When ctx ends, the command's own process is killed and none of its children, and
// run returns once these have closed the output: so does the real provider. All of
// them are in this process's group, which the engine kills when it ends the
// provider. In a group of its own the command would outlive that.
func run(ctx context.Context, command string, state CommandState, log func(line string)) (Output, error) {
	interpreter := []string{"/bin/sh", "-c"}
	if state.Interpreter != nil && len(*state.Interpreter) > 0 {
		interpreter = *state.Interpreter
	}
	argv := slices.Concat(interpreter, []string{command})
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = environment(state)
	if state.Dir != nil {
		cmd.Dir = *state.Dir
	}
	if state.Stdin != nil {
		cmd.Stdin = strings.NewReader(*state.Stdin)
	}

	var stdout, stderr bytes.Buffer
	var both lockedBuffer
	outLog, errLog := &lineWriter{log: log}, &lineWriter{log: log}
	cmd.Stdout = streamTo(&stdout, &both, outLog, state.Logging.shows(LogStdout))
	cmd.Stderr = streamTo(&stderr, &both, errLog, state.Logging.shows(LogStderr))

	err := cmd.Run()
	outLog.Flush()
	errLog.Flush()
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%w (%w)", err, cause)
		}
		return Output{}, fmt.Errorf("run %q: %w, with the output:\n%s", command, err, both.String())
	}
	return Output{
		Stdout: strings.TrimSuffix(stdout.String(), "\n"),
		Stderr: strings.TrimSuffix(stderr.String(), "\n"),
	}, nil
}

// environment returns the provider's own environment, then the variables of the
// program, then the last output: a later one wins over an earlier of its name.
func environment(state CommandState) []string {
	env := os.Environ()
	if state.Environment != nil {
		for name, value := range *state.Environment {
			env = append(env, name+"="+value)
		}
	}
	if state.AddPreviousOutputInEnv != nil && !*state.AddPreviousOutputInEnv {
		return env
	}
	if state.Stdout != "" {
		env = append(env, previousStdout+"="+state.Stdout)
	}
	if state.Stderr != "" {
		env = append(env, previousStderr+"="+state.Stderr)
	}
	return env
}

func streamTo(output, both io.Writer, lines io.Writer, shown bool) io.Writer {
	if shown {
		return io.MultiWriter(output, both, lines)
	}
	return io.MultiWriter(output, both)
}

// lockedBuffer keeps the output of both streams in the order of arrival; os/exec
// copies each stream in a goroutine of its own.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(data)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// lineWriter gives each complete line, without its end, to log.
type lineWriter struct {
	log  func(line string)
	rest []byte
}

func (w *lineWriter) Write(data []byte) (int, error) {
	w.rest = append(w.rest, data...)
	for {
		line, rest, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			return len(data), nil
		}
		w.log(strings.TrimSuffix(string(line), "\r"))
		w.rest = rest
	}
}

// Flush logs a last line that has no end. No Write may follow.
func (w *lineWriter) Flush() {
	if len(w.rest) > 0 {
		w.log(string(w.rest))
		w.rest = nil
	}
}
