package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"
)

// component is a program that is kept running.
type component struct {
	name string // also of its log file
	path string
	args []string
	env  []string // added to the supervisor's own
	// ready says whether the component serves; nil: it does once it is started.
	ready func(context.Context) error
	// grace is the time from SIGTERM to SIGKILL; 0: the supervisor's.
	grace time.Duration
}

// supervisor starts components, starts each again when it ends,
// and stops them in the reverse order of their start.
type supervisor struct {
	log    *slog.Logger
	logs   string // folder
	timing timing

	mu       sync.Mutex
	stopping bool
	stack    []func(context.Context) // what to stop, in the order of the start
}

type timing struct {
	minBackoff, maxBackoff time.Duration // the wait before a restart doubles from one to the other
	stable                 time.Duration // one that ran this long is started again after minBackoff
	grace                  time.Duration // from SIGTERM to SIGKILL
	poll                   time.Duration // between two questions whether a component is ready
	remind                 time.Duration // between two messages that one is not
	logLimit               int64         // bytes of a component's log, of which there are up to two
}

func newSupervisor(log *slog.Logger, logs string) *supervisor {
	return &supervisor{log: log, logs: logs, timing: timing{
		minBackoff: 500 * time.Millisecond, maxBackoff: 10 * time.Second, stable: 30 * time.Second,
		grace: 3 * time.Second, poll: 100 * time.Millisecond, remind: 10 * time.Second, logLimit: 16 << 20,
	}}
}

var errStopping = errors.New("stopping")

// start runs the component and keeps it running until stop. It returns once the component is ready
// for the first time, however long that takes, or with ctx's error.
func (s *supervisor) start(ctx context.Context, c component) error {
	out, err := openLog(filepath.Join(s.logs, c.name+".log"), s.timing.logLimit)
	if err != nil {
		return fmt.Errorf("log of %s: %w", c.name, err)
	}
	p := &process{component: c, out: out, quit: make(chan struct{}), done: make(chan struct{})}
	if !s.onStop(func(ctx context.Context) {
		p.stop(ctx, cmp.Or(c.grace, s.timing.grace))
		s.log.Info("stopped", "component", c.name)
	}) {
		out.close()
		return errStopping
	}
	began := time.Now()
	go s.keep(p)
	if c.ready == nil {
		return nil
	}
	if err := s.await(ctx, c.name, c.ready); err != nil {
		return err
	}
	s.log.Info("ready", "component", c.name, "after", time.Since(began).Round(time.Millisecond))
	return nil
}

// onStop adds something to do at the stop, before all that was added earlier.
// It reports false when the stop has begun.
func (s *supervisor) onStop(do func(context.Context)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.stack = append(s.stack, do)
	return true
}

// stop ends all components in the reverse order of their start, each within its grace,
// and without any once ctx has ended.
func (s *supervisor) stop(ctx context.Context) {
	s.mu.Lock()
	s.stopping = true
	stack := s.stack
	s.stack = nil
	s.mu.Unlock()
	for i := len(stack) - 1; i >= 0; i-- {
		stack[i](ctx)
	}
}

// keep runs the process again and again.
func (s *supervisor) keep(p *process) {
	defer close(p.done)
	defer p.out.close()
	wait := s.timing.minBackoff
	for {
		began := time.Now()
		err := p.run()
		if p.quits() {
			return
		}
		if time.Since(began) >= s.timing.stable {
			wait = s.timing.minBackoff
		}
		s.log.Warn("component ended, it is started again", "component", p.name, "error", err, "in", wait, "log", p.out.path, "last", p.out.lastLine())
		select {
		case <-time.After(wait):
		case <-p.quit:
			return
		}
		wait = min(2*wait, s.timing.maxBackoff)
	}
}

// await asks until the answer is yes. It says from time to time why it is not.
func (s *supervisor) await(ctx context.Context, what string, ready func(context.Context) error) error {
	next := time.Now().Add(s.timing.remind)
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := ready(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if now := time.Now(); now.After(next) {
			s.log.Info("still waiting", "for", what, "error", err)
			next = now.Add(s.timing.remind)
		}
		if !sleep(ctx, s.timing.poll) {
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		}
	}
}

// sleep reports false when ctx ended before the time was over.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
