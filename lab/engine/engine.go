// Package engine runs a private Docker engine: own data folder, own socket, own process; and beside
// it the chart repository. Whatever it starts it stops by process id, and it touches nothing else.
package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Engine is the private engine of one checkout.
type Engine struct {
	// Data keeps images, containers and logs.
	Data string
	// Run holds sockets and process ids. Its path is short, since a socket's may have 108 characters only.
	Run string
	// Runc is the container runtime that drops what this host cannot grant.
	Runc string
	// Bridge is the network of containers that ask for no other, as k3d's registries do at first. It is the
	// engine's own: of Docker's usual one a machine has just one.
	Bridge Bridge
}

// Host is the engine's address, for DOCKER_HOST.
func (e *Engine) Host() string { return "unix://" + filepath.Join(e.Run, "docker.sock") }

func (e *Engine) daemon() *process {
	return &process{name: "dockerd", pidFile: filepath.Join(e.Run, "docker.pid"), mark: e.Data, notesItself: true}
}

// Start starts the engine unless it runs. What an engine that was killed left behind (its pid file,
// containers that were running) is taken over by the new one.
func (e *Engine) Start(ctx context.Context) error {
	if e.answers() {
		return nil
	}
	if err := errors.Join(os.MkdirAll(e.Data, 0o711), os.MkdirAll(e.Run, 0o711)); err != nil {
		return err
	}
	d := e.daemon()
	d.forgetIfDead()
	config := filepath.Join(e.Data, "daemon.json")
	b, err := json.MarshalIndent(map[string]any{
		"data-root": filepath.Join(e.Data, "docker"), "exec-root": e.Run, "pidfile": d.pidFile, "hosts": []string{e.Host()},
		"storage-driver": "overlay2", "bridge": e.Bridge.Name,
		"runtimes": map[string]any{"bounded": map[string]string{"path": e.Runc}}, "default-runtime": "bounded",
		"log-opts": map[string]string{"max-size": "10m"},
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(config, b, 0o644); err != nil {
		return err
	}
	if err := e.Bridge.add(ctx); err != nil {
		return err
	}
	log := filepath.Join(e.Data, "dockerd.log")
	exited, err := d.start(log, "dockerd", "--config-file", config)
	if err != nil {
		return err
	}
	return waitFor(ctx, 60*time.Second, exited, e.answers, "dockerd", log)
}

// Stop stops the engine, with every container in it, and waits until its process is gone.
func (e *Engine) Stop(ctx context.Context) error {
	if err := e.daemon().stop(ctx, 60*time.Second); err != nil {
		return err
	}
	return e.Bridge.remove(ctx)
}

// Purge removes the data of a stopped engine.
func (e *Engine) Purge() error {
	if e.answers() {
		return fmt.Errorf("the engine at %s still runs: its data in %s stays", e.Host(), e.Data)
	}
	return errors.Join(os.RemoveAll(e.Data), os.RemoveAll(e.Run))
}

func (e *Engine) answers() bool {
	c, err := net.Dial("unix", filepath.Join(e.Run, "docker.sock"))
	if err != nil {
		return false
	}
	c.Close()
	return e.docker(context.Background(), "version").Run() == nil
}

func (e *Engine) docker(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.Host())
	return cmd
}

// waitFor waits until ready, and ends early when the process that should become ready has exited.
func waitFor(ctx context.Context, limit time.Duration, exited <-chan error, ready func() bool, what, log string) error {
	deadline := time.After(limit)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if ready() {
			return nil
		}
		select {
		case err := <-exited:
			if err == nil {
				err = errors.New("exit code 0")
			}
			return fmt.Errorf("%s ended at once: %w: see %s", what, err, log)
		case <-deadline:
			return fmt.Errorf("%s does not answer after %s: see %s", what, limit, log)
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
