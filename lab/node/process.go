package main

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// process is a component with the operating system's process that it is at the moment.
type process struct {
	component
	out  *logFile
	quit chan struct{} // closed when it shall stop
	done chan struct{} // closed when it has, for good

	mu  sync.Mutex
	cmd *exec.Cmd // nil while none runs
}

// run starts the process and waits for its end.
func (p *process) run() error {
	cmd := exec.Command(p.path, p.args...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = p.out, p.out
	// A process group of its own keeps a terminal's signals to the supervisor.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// What a component leaves behind may hold its output open.
	cmd.WaitDelay = time.Second

	p.mu.Lock()
	if p.quits() {
		p.mu.Unlock()
		return nil
	}
	err := cmd.Start()
	if err == nil {
		p.cmd = cmd
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	err = cmd.Wait()
	p.mu.Lock()
	p.cmd = nil
	p.mu.Unlock()
	return err
}

func (p *process) quits() bool {
	select {
	case <-p.quit:
		return true
	default:
		return false
	}
}

// stop asks the process to end, and after the grace, or when ctx ends, no longer asks.
func (p *process) stop(ctx context.Context, grace time.Duration) {
	p.mu.Lock()
	close(p.quit)
	p.mu.Unlock()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return
	case <-time.After(grace):
	case <-ctx.Done():
	}
	p.signal(syscall.SIGKILL)
	<-p.done
}

func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(s)
	}
}
