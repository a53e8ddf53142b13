//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFailedCreate is a create of the cluster that fails half-way: it says why, and leaves nothing.
func TestFailedCreate(t *testing.T) {
	p := newProject(t, "agents=0", "k3sImage=localhost:1/there-is-no-such-image:1.0.0")
	t.Cleanup(func() { p.destroy(t) })
	result := p.attempt(t, upArgs...)
	t.Logf("exit code %d after %.1f s\n%s", result.code, result.took.Seconds(), lastLines(result.all, 40))
	require.NotZero(t, result.code)
	require.Contains(t, result.all, "cluster "+p.cluster+": it could not be created, and what was made of it is removed. k3d says:")
	require.Contains(t, result.all, "there-is-no-such-image")
	p.verifyNothingLeft(t)
}

// TestKilledCreate kills the first create with SIGKILL while k3d makes the cluster, and destroys what there is.
func TestKilledCreate(t *testing.T) {
	for _, killed := range []struct {
		name string
		all  bool
	}{
		{"pulumi alone", false}, // the create goes on without it
		{"everything", true},    // nodes are left half-made
	} {
		t.Run(killed.name, func(t *testing.T) {
			p := newProject(t, "agents=1")
			t.Cleanup(func() { p.destroy(t) })
			p.killDuringCreate(t, killed.all)

			locked := p.attempt(t, destroyArgs...)
			t.Logf("plain destroy: exit code %d: %s", locked.code, lineWith(locked.all, "error:"))
			require.NotZero(t, locked.code)
			require.Contains(t, locked.all, "pulumi cancel")

			p.selectStack(t)
			start := time.Now()
			p.destroy(t)
			t.Logf("destroy took %.1f s", time.Since(start).Seconds())
			p.verifyNothingLeft(t)
		})
	}
}

// killDuringCreate starts an up and kills it as soon as the cluster's server exists; with all, also every process that
// came of it, so that what is half-made stays half-made.
func (p *project) killDuringCreate(t *testing.T, all bool) {
	t.Helper()
	cmd := exec.Command("pulumi", append(upArgs, "--stack", p.stack)...)
	cmd.Dir, cmd.Env = p.dir, p.env
	// A file, and not a pipe: Wait would wait for children that hold it open.
	log, err := os.Create(filepath.Join(t.TempDir(), "up.log"))
	require.NoError(t, err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()

	eventually(t, 2*time.Minute, func(context.Context) error {
		select {
		case err := <-exited:
			exited <- err
			b, _ := os.ReadFile(log.Name())
			require.Failf(t, "up ended before it could be killed", "%v\n%s", err, b)
		default:
		}
		names := run(t, p.dir, p.env, "docker", "ps", "--all", "--format", "{{.Names}}")
		if !strings.Contains(names, "k3d-"+p.cluster+"-server-0") {
			return errors.New("the cluster's server is not there yet")
		}
		return nil
	})
	pids := []int{}
	if all {
		pids = descendants(cmd.Process.Pid)
	}
	require.NoError(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL))
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself
	}
	<-exited
	names := run(t, p.dir, p.env, "docker", "ps", "--all", "--format", "{{.Names}} {{.State}}", "--filter", "label=k3d.cluster="+p.cluster)
	t.Logf("killed %d processes when there was:\n%s", 1+len(pids), names)
}

// selectStack is what `make up` and `make down` do first: it also frees the stack from the lock of a killed update.
func (p *project) selectStack(t *testing.T) {
	t.Helper()
	result := p.attemptCommand(t, "scripts/select-stack.sh", p.stack)
	require.Zero(t, result.code, result.all)
	t.Log(strings.TrimSpace(result.all))
}

// descendants are the processes that came of one, and of those; they end with their parents unknown to each other.
func descendants(of int) []int {
	parents := map[int]int{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// pid (comm) state ppid …; comm may have spaces and parentheses.
		var state string
		var parent int
		if _, err := fmt.Sscan(string(b[bytes.LastIndexByte(b, ')')+1:]), &state, &parent); err != nil {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil {
			parents[pid] = parent
		}
	}
	var found []int
	for queue := []int{of}; len(queue) > 0; queue = queue[1:] {
		for pid, parent := range parents {
			if parent == queue[0] {
				found = append(found, pid)
				queue = append(queue, pid)
			}
		}
	}
	return found
}
