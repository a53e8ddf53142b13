package engine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a background process that outlives the command that started it.
type process struct {
	name    string
	pidFile string
	// notesItself is true when the program writes pidFile itself, and would take one that it finds for a rival's.
	notesItself bool
	// mark is a text that only this process has in its command line.
	mark string
}

// start runs the command in a session of its own, with its output in the log file, and notes its id.
func (p *process) start(logFile, name string, args ...string) (exited <-chan error, err error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	// By its command line the process is known again; for a moment it has none yet.
	for range 50 {
		if len(commandLine(cmd.Process.Pid)) > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	if p.notesItself {
		return done, nil
	}
	return done, os.WriteFile(p.pidFile, []byte(strconv.Itoa(cmd.Process.Pid)), 0o644)
}

// id gives the process id when the noted process runs and is really this one: after a kill or a
// restart of the machine another process may have the same number.
func (p *process) id() (int, bool) {
	b, err := os.ReadFile(p.pidFile)
	if err != nil {
		return 0, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, false
	}
	return pid, bytes.Contains(commandLine(pid), []byte(p.mark))
}

// commandLine is that of a process; nothing of one that has ended.
func commandLine(pid int) []byte {
	line, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	return line
}

func (p *process) forgetIfDead() {
	if _, alive := p.id(); !alive {
		_ = os.Remove(p.pidFile)
	}
}

// stop ends the process and waits until it is gone; it is no error when it does not run.
func (p *process) stop(ctx context.Context, limit time.Duration) error {
	pid, alive := p.id()
	if !alive {
		_ = os.Remove(p.pidFile)
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s (process %d): %w", p.name, pid, err)
	}
	deadline := time.After(limit)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, alive := p.id(); !alive {
			_ = os.Remove(p.pidFile)
			return nil
		}
		select {
		case <-deadline:
			return fmt.Errorf("%s (process %d) still runs %s after it was asked to stop", p.name, pid, limit)
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
