//go:build e2e && faults

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/test/e2e/harness"
	"canary/test/machine"
)

// victim is what is killed with SIGKILL of a pulumi command that runs.
type victim struct {
	name string
	// command is a part of the command line of those of its descendants that are killed; "" are all, and itself.
	command string
	alone   bool // itself alone
}

var (
	theCLI      = victim{name: "the CLI alone", alone: true}
	everything  = victim{name: "everything"}
	theProgram  = victim{name: "the program", command: "canary-program"}
	theProvider = victim{name: "the provider", command: "pulumi-resource-kubernetes"}

	victims = []victim{theCLI, everything, theProgram, theProvider}
)

// kill kills it of a command that runs, and gives the number of its processes.
func (v victim) kill(cmd *exec.Cmd) (killed int) {
	pids := []int{}
	if !v.alone {
		for _, pid := range harness.Descendants(cmd.Process.Pid) {
			command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if strings.Contains(string(command), v.command) {
				pids = append(pids, pid)
			}
		}
	}
	if v.alone || v.command == "" {
		pids = append(pids, cmd.Process.Pid)
	}
	for _, pid := range pids {
		if syscall.Kill(pid, syscall.SIGKILL) == nil {
			killed++
		}
	}
	return killed
}

// TestKilled kills commands at the boundaries that the engine's events tell, and lets one command bring back what the
// configuration says. It writes the table to the file KILLED_REPORT, if it is set.
func TestKilled(t *testing.T) {
	p := harness.NewProject(t, "agents=0", "drainSeconds=1")
	t.Cleanup(func() {
		selectStack(t, p)
		p.Destroy(t)
	})
	k := &killing{Project: p}
	defer func() {
		t.Log("\n" + strings.Join(k.rows, "\n"))
		if file := os.Getenv("KILLED_REPORT"); file != "" {
			require.NoError(t, os.WriteFile(file, []byte(k.report()), 0o644))
		}
	}()

	create := k.record(t, harness.UpArgs)
	require.Greater(t, len(create), 10)
	app := p.Example(t)
	finish := app.Load(t, 50)
	k.killUpdates(t, "weight", func(n int) {
		p.Set(t, "canaryWeight", []string{"50", "0"}[n%2])
	})
	k.killUpdates(t, "canary's pods", func(n int) {
		p.Pulumi(t, "config", "set", "--path", "canaryPod.metadata.annotations.round", fmt.Sprintf("round-%d", n))
	})
	tally := finish()
	k.notes = append(k.notes, fmt.Sprintf("While the weight and the canary's pods were changed, 50 requests a second came in: %d of %d failed.", tally.Failed(), tally.Requests()))
	harness.RequireNoneFailed(t, tally)

	destroy := k.record(t, harness.DestroyArgs)
	require.Greater(t, len(destroy), 10)
	for i, v := range []victim{everything, theCLI, everything, theCLI, everything} {
		at := func(events []string) string { return events[i*(len(events)-1)/4] }
		k.kill(t, "first create", harness.UpArgs, at(create), v)
		k.recover(t)
		k.kill(t, "destroy", harness.DestroyArgs, at(destroy), v)
		start := time.Now()
		selectStack(t, p)
		p.Destroy(t)
		p.VerifyNothingLeft(t)
		k.note("make down", time.Since(start), "nothing is left")
	}
}

// killing notes what was killed, and what became of it.
type killing struct {
	*harness.Project
	row         string
	rows, notes []string
}

func (k *killing) note(command string, took time.Duration, then string) {
	k.rows = append(k.rows, fmt.Sprintf("%s `%s` | %.1f s | %s |", k.row, command, took.Seconds(), then))
}

// killUpdates kills an update with a change at each of its boundaries, and each victim in turn.
func (k *killing) killUpdates(t *testing.T, what string, change func(n int)) {
	t.Helper()
	change(0)
	boundaries := k.record(t, harness.UpArgs)
	n := 1
	for _, boundary := range boundaries {
		for _, v := range victims {
			change(n)
			n++
			k.kill(t, "change of the "+what, harness.UpArgs, boundary, v)
			k.recover(t)
		}
	}
}

// record runs a command to its end, and gives its boundaries.
func (k *killing) record(t *testing.T, args []string) []string {
	t.Helper()
	cmd, log, events := k.begin(t, args)
	if err := cmd.Wait(); err != nil {
		said, _ := os.ReadFile(log)
		require.NoError(t, err, "%s", said)
	}
	boundaries := slices.Compact(events.boundaries(t))
	t.Logf("boundaries: %s", strings.Join(boundaries, ", "))
	return boundaries
}

// begin starts a command, and gives the file that gets what it prints, and the engine's events.
func (k *killing) begin(t *testing.T, args []string) (cmd *exec.Cmd, log string, events *eventLog) {
	t.Helper()
	events = &eventLog{file: filepath.Join(t.TempDir(), "events")}
	cmd, log = startPulumi(t, k.Project, append(slices.Clone(args), "--event-log", events.file)...)
	return cmd, log, events
}

// eventLog is the file that the engine writes its events to, one a line.
type eventLog struct {
	file  string
	read  int64 // bytes
	known []string
}

// boundaries are what has begun and ended of changes to resources, in the order of the events. It reads on from where it was.
func (l *eventLog) boundaries(t *testing.T) []string {
	t.Helper()
	file, err := os.Open(l.file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	defer file.Close()
	_, err = file.Seek(l.read, io.SeekStart)
	require.NoError(t, err)
	text, err := io.ReadAll(file)
	require.NoError(t, err)
	text = text[:bytes.LastIndexByte(text, '\n')+1] // the rest is being written
	l.read += int64(len(text))
	for line := range bytes.Lines(text) {
		type step struct{ Metadata struct{ Op, URN string } }
		var event struct {
			PreludeEvent                      *struct{}
			ResourcePreEvent, ResOutputsEvent *step
		}
		require.NoError(t, json.Unmarshal(line, &event))
		for when, s := range map[string]*step{"before": event.ResourcePreEvent, "after": event.ResOutputsEvent} {
			if s != nil && s.Metadata.Op != "same" {
				parts := strings.Split(s.Metadata.URN, "::")
				kind := parts[len(parts)-2]
				l.known = append(l.known, fmt.Sprintf("%s the %s of %s %s", when, s.Metadata.Op, kind[strings.LastIndexAny(kind, ":$/")+1:], parts[len(parts)-1]))
			}
		}
		if event.PreludeEvent != nil {
			l.known = append(l.known, "at its begin")
		}
	}
	return l.known
}

// kill runs a command, and kills the victim once the boundary is reached.
func (k *killing) kill(t *testing.T, what string, args []string, boundary string, v victim) {
	t.Helper()
	cmd, _, events := k.begin(t, args)
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	for deadline := time.Now().Add(3 * time.Minute); !slices.Contains(events.boundaries(t), boundary); {
		require.True(t, time.Now().Before(deadline), "%s was not reached", boundary)
		select {
		case err := <-exited:
			exited <- err
			require.Contains(t, events.boundaries(t), boundary, "%v", err)
		case <-time.After(2 * time.Millisecond):
		}
	}
	killed := v.kill(cmd)
	err := <-exited
	t.Logf("%s, %s: %d processes of %s killed: %v", what, boundary, killed, v.name, err)
	k.row = fmt.Sprintf("| %s | %s | %s |", what, boundary, v.name)
	if killed == 0 {
		k.row = fmt.Sprintf("| %s | %s | %s, which did not run |", what, boundary, v.name)
	}
}

// recover brings back what the configuration says, as `make up` does.
func (k *killing) recover(t *testing.T) {
	t.Helper()
	o := k.MakeUp(t)
	require.Zero(t, o.Code, o.All)
	var split struct{ Canary int }
	require.NoError(t, json.Unmarshal([]byte(k.Output(t, "split")), &split))
	k.Example(t).RequireSplit(t, split.Canary)
	k.note("make up", o.Took, fmt.Sprintf("serves %d/%d", 100-split.Canary, split.Canary))
}

// report is the text of docs/killed.md.
func (k *killing) report() string {
	return fmt.Sprintf(`# Killed

Written by `+"`make faults`"+` on %s.

SIGKILL at the boundaries of a command, as the engine's events tell them, and the one command that brings back what the configuration says, or leaves nothing. The CLI alone: what it had begun goes on without it. The program and the provider are killed under the CLI, which goes on.

Machine: %s.

%s

| Command | Killed | What | Then | Took | Came to |
| --- | --- | --- | --- | ---: | --- |
%s
`, time.Now().UTC().Format("2006-01-02"), machine.Facts(), strings.Join(k.notes, "\n"), strings.Join(k.rows, "\n"))
}
