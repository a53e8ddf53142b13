package scripts

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A signal that is ignored when a shell starts (HUP under nohup, INT in the background) can never be trapped in it. One
// that this process handles is given back to the programs that it starts.
var handled = handleIgnored(syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)

func handleIgnored(signals ...os.Signal) chan os.Signal {
	c := make(chan os.Signal, len(signals))
	for _, s := range signals {
		if signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
	return c
}

// hangingCreate starts a create whose k3d hangs after two nodes, and waits until it does.
func hangingCreate(t *testing.T, m *machine, prepare func(*exec.Cmd)) (*exec.Cmd, func() result) {
	t.Helper()
	require.NotNil(t, handled)
	m.with("FAKE_CREATE=hang", "FAKE_NODES=2")
	cmd, finish := m.command("cluster-create.sh")
	if prepare != nil {
		prepare(cmd)
	}
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { return len(m.everything()) == 5 }, 20*time.Second, 20*time.Millisecond)
	return cmd, finish
}

func wait(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		t.Fatal("the script does not end")
	}
}

func TestInterruptedCreateCleansUp(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]syscall.Signal{
		"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			cmd, finish := hangingCreate(t, m, nil)
			require.NoError(t, cmd.Process.Signal(signal))
			wait(t, cmd)
			require.Equal(t, 128+int(signal), finish().code)
			require.Empty(t, m.everything())
		})
	}
}

func TestSecondSignalDoesNotCutTheCleaningUpShort(t *testing.T) {
	t.Parallel()
	m := newMachine(t).with("FAKE_SLOW=1")
	cmd, _ := hangingCreate(t, m, nil)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	time.Sleep(200 * time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	wait(t, cmd)
	require.Empty(t, m.everything())
}

// The reader of the output goes away when Pulumi's provider is killed.
func TestCreateWithoutAReaderCleansUp(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	cmd, _ := hangingCreate(t, m, func(cmd *exec.Cmd) { cmd.Stderr = write })
	require.NoError(t, write.Close())
	require.NoError(t, read.Close())
	wait(t, cmd)
	require.Empty(t, m.everything())
}

func TestKilledCreateIsEndedByWhoeverComesNext(t *testing.T) {
	t.Parallel()
	for _, next := range []string{"cluster-delete.sh", "cluster-create.sh"} {
		t.Run(next, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			cmd, _ := hangingCreate(t, m, nil)
			temp := m.env["TMPDIR"]
			require.NoError(t, cmd.Process.Kill())
			wait(t, cmd)

			got := m.with("FAKE_CREATE=", "FAKE_NODES=").succeeds(next)
			require.Contains(t, got.stderr, "ending an earlier create that is still at work")
			if next == "cluster-delete.sh" {
				require.Empty(t, m.everything())
			} else {
				require.Equal(t, wholeCluster(), m.everything())
			}
			// A killed script cannot remove its folder.
			left, err := os.ReadDir(temp)
			require.NoError(t, err)
			for _, one := range left {
				require.NoError(t, os.RemoveAll(temp+"/"+one.Name()))
			}
		})
	}
}
