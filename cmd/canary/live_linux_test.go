package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"canary/internal/config"
	"canary/internal/judge"
	"canary/internal/meter"
	"canary/internal/prometheus"
	"canary/internal/promotion"
	"canary/internal/release"
	"canary/internal/stack"
)

const liveHelper = "CANARY_TEST_LIVE_HELPER"

// busyCluster serves the split of its stack, and 1000 requests a second, of which few fail.
type busyCluster struct {
	idleCluster
	stack *fakeStack
	since *time.Time
}

func (b busyCluster) Split(context.Context) (release.Split, error) {
	weight, err := config.ParseWeight(b.stack.last["canaryWeight"].Text)
	stable, canary := weight.Split()
	return release.Split{Stable: stable, Canary: canary}, err
}

func (b busyCluster) Begin(context.Context) (meter.Reading, error) {
	*b.since = time.Now()
	return meter.Reading{}, nil
}

func (b busyCluster) Read(ctx context.Context) (meter.Reading, error) {
	split, err := b.Split(ctx)
	if err != nil {
		return meter.Reading{}, err
	}
	counts := func(weight int32) judge.Counts {
		requests := uint64(time.Since(*b.since).Milliseconds()) * uint64(weight) / uint64(split.Stable+split.Canary)
		return judge.Counts{Requests: requests, Failures: requests / 1500}
	}
	return meter.Reading{Stable: counts(split.Stable), Canary: counts(split.Canary)}, ctx.Err()
}

// TestLiveHelper is the process that TestLive runs on a terminal.
//
//nolint:paralleltest // it is alone in its process
func TestLiveHelper(t *testing.T) {
	args := os.Getenv(liveHelper)
	if args == "" {
		t.Skip("only as a process of TestLive")
	}
	f := &fakeStack{settings: settings("stableImage", "shop:1")}
	os.Exit(runUntilSignal(strings.Fields(args), environment{
		stdout: os.Stdout, stderr: os.Stderr, screen: terminalOf(os.Stdout), now: time.Now, getenv: os.Getenv,
		outputs: func(context.Context, string) (*stack.Outputs, error) {
			return &stack.Outputs{URL: "http://web.shop.localhost", Namespace: "shop", Name: "web"}, nil
		},
		updater: func(context.Context, string) (updater, error) { return f, nil },
		promotion: func(stack.Secret, release.App, promotion.Plan, prometheus.Access) (promotionCluster, error) {
			return busyCluster{stack: f, since: new(time.Time)}, nil
		},
	}))
}

// terminal is a pair of a real terminal of 80 columns and the side that a person sits at.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { person.Close() })
	fd := int(person.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 80}))
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { program.Close() })
	return person, program
}

// seen is what came out of a terminal so far.
type seen struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (s *seen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(text)
}

func (s *seen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

var sequences = regexp.MustCompile("\x1b\\[[0-9;?]*[a-zA-Z]")

func TestLive(t *testing.T) {
	t.Parallel()
	const promote = "promote --image shop:2 --steps 50,100 --max-failures 0.5 --bake "
	for _, tc := range []struct {
		name, args string
		interrupt  bool
		code       int
		drawn      bool
		last       string
	}{
		{"to its end", promote + "1s", false, 0, true, "the stack's file has changed: commit it"},
		{"interrupted", promote + "1h", true, exitHeld, true, "`canary promote --resume` goes on with it, and `canary rollback` takes the requests from the canary"},
		{"plain", promote + "0 --plain", false, 0, false, "the stack's file has changed: commit it"},
		{"json", promote + "0 --output json", false, 0, false, `,"outcome":"promoted"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			person, program := terminal(t)
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLiveHelper$")
			cmd.Env = append(os.Environ(), liveHelper+"="+tc.args, "TERM=xterm-256color", "NO_COLOR=1")
			cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			require.NoError(t, cmd.Start())
			program.Close()
			var all seen
			var reading sync.WaitGroup
			reading.Go(func() { _, _ = io.Copy(&all, person) }) // it ends with an error when the program does
			if tc.interrupt {
				require.Eventually(t, func() bool { return strings.Contains(all.String(), "more failures than stable") }, 20*time.Second, 10*time.Millisecond)
				_, err := person.WriteString("\x03")
				require.NoError(t, err)
			}
			err := cmd.Wait()
			reading.Wait()
			code := 0
			if exit := new(exec.ExitError); errors.As(err, &exit) {
				code = exit.ExitCode()
			}
			require.Equal(t, tc.code, code, all.String())
			require.NotContains(t, all.String(), "\x1b]", "the terminal is asked nothing")
			require.Equal(t, tc.drawn, strings.Contains(all.String(), "▸"))
			text := strings.ReplaceAll(sequences.ReplaceAllString(all.String(), ""), "\r", "")
			require.Contains(t, strings.TrimSpace(text[strings.LastIndex(strings.TrimSpace(text), "\n")+1:]), tc.last)
			if tc.drawn {
				require.Contains(t, all.String(), "\x1b[J    served", "nothing of the picture stays beside them")
				require.Greater(t, strings.LastIndex(all.String(), "\x1b[?25h"), strings.LastIndex(all.String(), "\x1b[?25l"), "the cursor is shown")
			}
		})
	}
}
