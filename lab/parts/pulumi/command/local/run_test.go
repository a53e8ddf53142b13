package local

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLogging(t *testing.T) {
	t.Parallel()
	const command = `printf 'out 1\nout 2'; printf 'err 1\r\n\n' >&2`
	out, err := []string{"out 1", "out 2"}, []string{"err 1", ""}
	for name, test := range map[string]struct {
		logging *Logging
		want    []string
	}{
		"default":         {nil, slices.Concat(out, err)},
		"stdoutAndStderr": {new(LogStdoutAndStderr), slices.Concat(out, err)},
		"stdout":          {new(LogStdout), out},
		"stderr":          {new(LogStderr), err},
		"none":            {new(LogNone), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var lines []string
			_, err := run(t.Context(), command, CommandState{CommandArgs: CommandArgs{Logging: test.logging}},
				func(line string) {
					mu.Lock()
					defer mu.Unlock()
					lines = append(lines, line)
				})
			require.NoError(t, err)
			require.ElementsMatch(t, test.want, lines)
		})
	}
}

func TestLinesAreLoggedAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := run(ctx, "echo started; exec sleep 60", CommandState{}, func(string) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "started", "what it wrote until then")
}

func TestTimeoutKillsTheCommand(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := run(ctx, "exec sleep 60", CommandState{}, func(string) {})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "killed")
}

// TestProcessGroup holds the rule by which the engine ends what a command started:
// it kills the provider's process group.
func TestProcessGroup(t *testing.T) {
	t.Parallel()
	got, err := run(t.Context(), `read -r stat </proc/$$/stat; set -- $stat; echo "$5"`, CommandState{}, func(string) {})
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(syscall.Getpgrp()), got.Stdout)
}
