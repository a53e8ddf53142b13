package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary stand for a component: with STAND_IN set it does what that says.
func TestMain(m *testing.M) {
	if what := os.Getenv("STAND_IN"); what != "" {
		standIn(what, os.Args[1])
		return
	}
	os.Exit(m.Run())
}

// standIn notes what happens to it in the file.
func standIn(what, file string) {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	note(file, "start "+what)
	switch what {
	case "fail":
		fmt.Println("the first line")
		fmt.Fprintln(os.Stderr, "the reason")
		os.Exit(3)
	case "stubborn":
		select {}
	case "talk":
		fmt.Println(strings.Repeat("x", 600))
	default:
		<-terminated
		note(file, "end "+what)
	}
}

func note(file, text string) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	_, _ = f.WriteString(text + "\n")
}

type supervised struct {
	*supervisor
	notes string // file
	log   *lockedBuffer
}

func newSupervised(t *testing.T) supervised {
	t.Helper()
	var log lockedBuffer
	s := newSupervisor(newLogger(&log), filepath.Join(t.TempDir(), "logs"))
	s.timing = timing{minBackoff: 10 * time.Millisecond, maxBackoff: 40 * time.Millisecond, stable: time.Minute,
		grace: 5 * time.Second, poll: 5 * time.Millisecond, remind: time.Minute, logLimit: 1000}
	t.Cleanup(func() { s.stop(context.Background()) })
	return supervised{supervisor: s, notes: filepath.Join(t.TempDir(), "notes"), log: &log}
}

func (s supervised) component(name, what string) component {
	return component{name: name, path: os.Args[0], args: []string{s.notes}, env: []string{"STAND_IN=" + what}}
}

func (s supervised) noted() []string {
	text, _ := os.ReadFile(s.notes)
	return strings.Fields(strings.ReplaceAll(strings.ReplaceAll(string(text), "start ", "+"), "end ", "-"))
}

func (s supervised) hasNoted(notes ...string) func(context.Context) error {
	return func(context.Context) error {
		if got := s.noted(); len(got) < len(notes) {
			return fmt.Errorf("noted %v", got)
		}
		return nil
	}
}

func eventually(t *testing.T, condition func() bool, message string) {
	t.Helper()
	require.Eventually(t, condition, 20*time.Second, 5*time.Millisecond, message)
}

func TestStartWaitsUntilReady(t *testing.T) {
	t.Parallel()
	s := newSupervised(t)
	asked := 0
	c := s.component("a", "a")
	c.ready = func(context.Context) error {
		if asked++; asked < 3 {
			return errors.New("not yet")
		}
		return nil
	}
	require.NoError(t, s.start(t.Context(), c))
	require.Equal(t, 3, asked)

	ctx, cancel := context.WithCancel(t.Context())
	never := s.component("b", "b")
	never.ready = func(context.Context) error { cancel(); return errors.New("never") }
	require.ErrorIs(t, s.start(ctx, never), context.Canceled)
}

func TestComponentsAreStartedAgainWithBackoff(t *testing.T) {
	t.Parallel()
	s := newSupervised(t)
	require.NoError(t, s.start(t.Context(), s.component("a", "fail")))
	eventually(t, func() bool { return strings.Count(s.log.String(), "started again") >= 4 }, "restarts")
	text := s.log.String()
	for _, want := range []string{"component=a", `error="exit status 3"`, "in=10ms", "in=20ms", "in=40ms", `last="the reason"`} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "in=80ms", "the wait has a limit")
	kept, err := os.ReadFile(filepath.Join(s.logs, "a.log"))
	require.NoError(t, err)
	require.Contains(t, string(kept), "the first line\nthe reason\nthe first line\n", "the log outlives a restart")
}

func TestBackoffBeginsAnewAfterAStableRun(t *testing.T) {
	t.Parallel()
	s := newSupervised(t)
	s.timing.stable = 0
	require.NoError(t, s.start(t.Context(), s.component("a", "fail")))
	eventually(t, func() bool { return strings.Count(s.log.String(), "in=10ms") >= 3 }, "restarts after the shortest wait")
}

func TestAMissingProgramIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := newSupervised(t)
	require.NoError(t, s.start(t.Context(), component{name: "a", path: filepath.Join(t.TempDir(), "absent")}))
	eventually(t, func() bool { return strings.Count(s.log.String(), "no such file") >= 2 }, "tries")
}

func TestStopInReverseOrder(t *testing.T) {
	t.Parallel()
	s := newSupervised(t)
	for i, name := range []string{"a", "b", "c"} {
		c := s.component(name, name)
		c.ready = s.hasNoted(make([]string, i+1)...)
		require.NoError(t, s.start(t.Context(), c))
	}
	require.True(t, s.onStop(func(context.Context) { note(s.notes, "end hook") }))
	s.stop(t.Context())
	require.Equal(t, []string{"+a", "+b", "+c", "-hook", "-c", "-b", "-a"}, s.noted())

	require.ErrorIs(t, s.start(t.Context(), s.component("late", "late")), errStopping)
	require.False(t, s.onStop(func(context.Context) {}))
	require.Len(t, s.noted(), 7, "nothing starts after the stop")
}

func TestStopKillsAfterTheGrace(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*supervisor, context.CancelFunc){
		"grace":        func(s *supervisor, _ context.CancelFunc) { s.timing.grace = 50 * time.Millisecond },
		"no time left": func(s *supervisor, cancel context.CancelFunc) { s.timing.grace = time.Hour; cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSupervised(t)
			c := s.component("a", "stubborn")
			c.ready = s.hasNoted("+stubborn")
			require.NoError(t, s.start(t.Context(), c))
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			set(s.supervisor, cancel)
			s.stop(ctx)
		})
	}
}

func TestStopDuringABackoff(t *testing.T) {
	t.Parallel()
	s := newSupervised(t)
	s.timing.minBackoff, s.timing.maxBackoff = time.Hour, time.Hour
	require.NoError(t, s.start(t.Context(), s.component("a", "fail")))
	eventually(t, func() bool { return strings.Contains(s.log.String(), "in=1h") }, "the end")
	s.stop(t.Context())
}

func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	s := newSupervised(t)
	require.NoError(t, s.start(t.Context(), s.component("a", "talk")))
	path := filepath.Join(s.logs, "a.log")
	eventually(t, func() bool { _, err := os.Stat(path + ".1"); return err == nil && len(s.noted()) > 6 }, "a second file")
	s.stop(t.Context())
	for _, file := range []string{path, path + ".1"} {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.LessOrEqual(t, info.Size(), s.timing.logLimit)
	}
}

func TestLogAppends(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.log")
	for _, line := range []string{"one\n", "two\n"} {
		l, err := openLog(path, 1000)
		require.NoError(t, err)
		_, err = io.WriteString(l, line)
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(line), l.lastLine())
		l.close()
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "one\ntwo\n", string(text))
}
