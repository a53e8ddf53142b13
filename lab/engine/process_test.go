package engine

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestProcessLifeCycle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mark := filepath.Join(dir, "mark")
	p := &process{name: "sleeper", pidFile: filepath.Join(dir, "pid"), mark: mark}

	require.NoError(t, p.stop(t.Context(), time.Second), "what does not run is stopped")
	// The text after the command is the mark; `sh` stays because two commands follow.
	exited, err := p.start(filepath.Join(dir, "log"), "sh", "-c", "sleep 60; true", mark)
	require.NoError(t, err)
	_, alive := p.id()
	require.True(t, alive)
	require.NoError(t, p.stop(t.Context(), 10*time.Second))
	require.Error(t, <-exited)
	require.NoFileExists(t, p.pidFile)
}

// After a kill the number in the pid file may be that of any process: it is never stopped.
func TestProcessLeavesAStrangerAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := &process{name: "engine", pidFile: filepath.Join(dir, "pid"), mark: filepath.Join(dir, "not in any command line")}
	require.NoError(t, os.WriteFile(p.pidFile, []byte(strconv.Itoa(os.Getpid())), 0o644))

	_, alive := p.id()
	require.False(t, alive)
	require.NoError(t, p.stop(t.Context(), time.Second))
	require.NoFileExists(t, p.pidFile)
}
