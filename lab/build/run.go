package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Builder brings parts up to date.
type Builder struct {
	// Cache is the folder that keeps finished parts.
	Cache string
	// Progress takes a line for each part that starts, goes on or ends.
	Progress io.Writer

	mu      sync.Mutex
	keys    map[string]string
	started time.Time
	running map[string]time.Time
	left    []string
}

// Build makes each part that the cache lacks, in two lanes: what compiles, one part at a time, and what
// mostly waits for a download. It returns the folder of every part.
func (b *Builder) Build(ctx context.Context, parts []*Part) (map[string]string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOVERSION: %w: is Go installed?", err)
	}
	b.keys, b.running, b.started = map[string]string{}, map[string]time.Time{}, time.Now()
	done := map[string]chan struct{}{}
	for _, p := range parts {
		if b.keys[p.Name], err = p.key(strings.TrimSpace(string(out)), b.keys); err != nil {
			return nil, err
		}
		done[p.Name] = make(chan struct{})
		if _, err := os.Stat(b.dir(p.Name)); err != nil {
			b.left = append(b.left, p.Name)
		}
	}
	if len(b.left) > 0 {
		fmt.Fprintf(b.Progress, "lab: %d of %d parts to build: %s\n", len(b.left), len(parts), strings.Join(b.left, ", "))
	}
	stop := b.heartbeat()
	defer stop()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	compile := make(chan struct{}, 1)
	errs := make([]error, len(parts))
	var wg sync.WaitGroup
	for i, p := range parts {
		wg.Go(func() {
			for _, need := range p.Needs {
				select {
				case <-done[need]:
				case <-ctx.Done():
					return
				}
			}
			if err := b.make(ctx, p, compile); err != nil {
				if !errors.Is(err, context.Canceled) {
					errs[i] = err
				}
				cancel()
				return
			}
			close(done[p.Name])
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, errors.New("lab: the build was stopped; the finished parts are kept: run the same command again to go on")
	}
	dirs := map[string]string{}
	for _, p := range parts {
		dirs[p.Name] = b.dir(p.Name)
	}
	return dirs, nil
}

func (b *Builder) dir(part string) string { return filepath.Join(b.Cache, part+"-"+b.keys[part]) }

func (b *Builder) make(ctx context.Context, p *Part, compile chan struct{}) error {
	dir := b.dir(p.Name)
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if p.compiles() {
		select {
		case compile <- struct{}{}:
			defer func() { <-compile }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	tmp := dir + ".part"
	if err := errors.Join(os.RemoveAll(tmp), os.MkdirAll(tmp, 0o755)); err != nil {
		return err
	}
	logFile := filepath.Join(b.Cache, p.Name+".log")
	log, err := os.Create(logFile)
	if err != nil {
		return err
	}
	defer log.Close()
	b.start(p.Name)
	r := &Recipe{Out: tmp, Log: log, Of: b.dir}
	if err := p.Make(ctx, r); err != nil {
		if ctx.Err() != nil {
			return ctx.Err() // another part failed, or the user stopped the build
		}
		return fmt.Errorf("lab: part %s: %w\n  log: %s\n  the finished parts are kept: run the same command again to go on", p.Name, err, logFile)
	}
	if err := os.Rename(tmp, dir); err != nil {
		return err
	}
	b.finish(p.Name)
	return nil
}

// compiles is true for parts that keep every core busy.
func (p *Part) compiles() bool { return len(p.Sources) > 0 }

func (b *Builder) start(part string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running[part] = time.Now()
	fmt.Fprintf(b.Progress, "lab: %s: started\n", part)
}

func (b *Builder) finish(part string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	took := time.Since(b.running[part]).Round(time.Second)
	delete(b.running, part)
	b.drop(part)
	left := "nothing left"
	if len(b.left) > 0 {
		left = "left: " + strings.Join(b.left, ", ")
	}
	fmt.Fprintf(b.Progress, "lab: %s: done in %s (%s in all; %s)\n", part, took, time.Since(b.started).Round(time.Second), left)
}

func (b *Builder) drop(part string) {
	kept := b.left[:0]
	for _, p := range b.left {
		if p != part {
			kept = append(kept, p)
		}
	}
	b.left = kept
}

// heartbeat says every half minute what is being built, until stop is called.
func (b *Builder) heartbeat() (stop func()) {
	quit := make(chan struct{})
	go func() {
		tick := time.NewTicker(30 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				b.mu.Lock()
				for part, since := range b.running {
					fmt.Fprintf(b.Progress, "lab: %s: %s so far\n", part, time.Since(since).Round(time.Second))
				}
				b.mu.Unlock()
			}
		}
	}()
	return func() { close(quit) }
}
