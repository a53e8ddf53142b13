//go:build e2e

package e2e

import (
	"context"
	"errors"
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
)

// TestFailedCreate is a create of the cluster that fails half-way: it says why, and leaves nothing.
func TestFailedCreate(t *testing.T) {
	p := harness.NewProject(t, "agents=0", "k3sImage=localhost:1/there-is-no-such-image:1.0.0")
	t.Cleanup(func() { p.Destroy(t) })
	result := p.Attempt(t, harness.UpArgs...)
	t.Logf("exit code %d after %.1f s\n%s", result.Code, result.Took.Seconds(), harness.LastLines(result.All, 40))
	require.NotZero(t, result.Code)
	require.Contains(t, result.All, "cluster "+p.Cluster+": it could not be created, and what was made of it is removed. k3d says:")
	require.Contains(t, result.All, "there-is-no-such-image")
	p.VerifyNothingLeft(t)
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
			if !killed.all {
				harness.Long(t)
			}
			p := harness.NewProject(t, "agents=1")
			t.Cleanup(func() { p.Destroy(t) })
			killDuringCreate(t, p, killed.all)

			locked := p.Attempt(t, harness.DestroyArgs...)
			t.Logf("plain destroy: exit code %d: %s", locked.Code, harness.LineWith(locked.All, "error:"))
			require.NotZero(t, locked.Code)
			require.Contains(t, locked.All, "pulumi cancel")

			selectStack(t, p)
			start := time.Now()
			p.Destroy(t)
			t.Logf("destroy took %.1f s", time.Since(start).Seconds())
			p.VerifyNothingLeft(t)
		})
	}
}

// killDuringCreate starts an up and kills it as soon as the cluster's server exists; with all, also every process that
// came of it, so that what is half-made stays half-made.
func killDuringCreate(t *testing.T, p *harness.Project, all bool) {
	t.Helper()
	cmd, log := startPulumi(t, p, harness.UpArgs...)
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()

	harness.Eventually(t, 2*time.Minute, func(context.Context) error {
		select {
		case err := <-exited:
			exited <- err
			b, _ := os.ReadFile(log)
			require.Failf(t, "up ended before it could be killed", "%v\n%s", err, b)
		default:
		}
		names := harness.Run(t, p.Dir, p.Env, "docker", "ps", "--all", "--format", "{{.Names}}")
		if !strings.Contains(names, p.Node("server-0")) {
			return errors.New("the cluster's server is not there yet")
		}
		return nil
	})
	pids := []int{}
	if all {
		pids = harness.Descendants(cmd.Process.Pid)
	}
	require.NoError(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL))
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself
	}
	<-exited
	names := harness.Run(t, p.Dir, p.Env, "docker", "ps", "--all", "--format", "{{.Names}} {{.State}}", "--filter", "label=k3d.cluster="+p.Cluster)
	t.Logf("killed %d processes when there was:\n%s", 1+len(pids), names)
}

// startPulumi starts the CLI on the stack, in a process group of its own, and gives the file that gets what it prints.
func startPulumi(t *testing.T, p *harness.Project, args ...string) (cmd *exec.Cmd, log string) {
	t.Helper()
	cmd = exec.Command("pulumi", append(slices.Clone(args), "--stack", p.Stack)...)
	// With it the CLI takes --event-log.
	cmd.Dir, cmd.Env = p.Dir, append(slices.Clone(p.Env), "PULUMI_DEBUG_COMMANDS=true")
	// A file, and not a pipe: Wait would wait for children that hold it open.
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	return cmd, file.Name()
}

// selectStack is what `make up` and `make down` do first: it also frees the stack from the lock of a killed update.
func selectStack(t *testing.T, p *harness.Project) {
	t.Helper()
	result := p.AttemptCommand(t, "scripts/select-stack.sh", p.Stack)
	require.Zero(t, result.Code, result.All)
	t.Log(strings.TrimSpace(result.All))
}
