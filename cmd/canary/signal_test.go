package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/stack"
)

const signalHelper = "CANARY_TEST_SIGNAL_HELPER"

// TestSignalHelper is the process that TestSignals sends signals to. It says
// on stdout when the app got a request, and at the end how many relays are left.
//
//nolint:paralleltest // it is alone in its process
func TestSignalHelper(t *testing.T) {
	if os.Getenv(signalHelper) == "" {
		t.Skip("only as a process of TestSignals")
	}
	var once sync.Once
	f := newFakeCluster(t, half, func(_ http.ResponseWriter, r *http.Request) {
		once.Do(func() { fmt.Println("request") })
		<-r.Context().Done()
	})
	code := runUntilSignal([]string{"requests", "--from", "mesh"}, environment{
		stdout: new(bytes.Buffer), stderr: new(bytes.Buffer),
		outputs: func(context.Context, string) (*stack.Outputs, error) {
			return &stack.Outputs{URL: f.app.URL, Namespace: "shop", Name: "web"}, nil
		},
		connect: func(stack.Secret) (cluster, error) { return f, nil },
	})
	fmt.Printf("exit code %d, %d relays made, %d left\n", code, f.created, len(f.pods))
}

func TestSignals(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSignalHelper$")
			cmd.Env = append(os.Environ(), signalHelper+"=1")
			stdout, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			lines := bufio.NewScanner(stdout)
			require.True(t, lines.Scan())
			require.Equal(t, "request", lines.Text())
			require.NoError(t, cmd.Process.Signal(signal))
			require.True(t, lines.Scan())
			require.Equal(t, "exit code 3, 1 relays made, 0 left", lines.Text())
			for lines.Scan() {
			}
			var exit *exec.ExitError
			require.NotErrorAs(t, cmd.Wait(), &exit, "the helper's own test passes")
		})
	}
}
