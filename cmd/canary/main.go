// Command canary is the companion of the Pulumi program: it shows what a
// canary release really does.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"canary/internal/prometheus"
	"canary/internal/promotion"
	"canary/internal/release"
	"canary/internal/stack"
)

// exitCannot is the exit code of a wrong command line, and of a command that
// cannot do its work.
const exitCannot = 3

// environment is what the commands have around them; tests put fakes in.
type environment struct {
	stdout, stderr io.Writer
	// terminal is where a progress line may be written; nil when stderr is no
	// terminal.
	terminal *os.File
	outputs  func(ctx context.Context, stackName string) (*stack.Outputs, error)
	// lookup asks for a host's addresses.
	lookup func(ctx context.Context, host string) ([]string, error)
	// written is what the stack wrote, for status.
	written func(ctx context.Context, stackName string) (*stack.Record, error)
	connect func(kubeconfig stack.Secret) (cluster, error)
	// updater changes the stack, and promotion watches the cluster, for promote.
	updater   func(ctx context.Context, stackName string) (updater, error)
	promotion func(kubeconfig stack.Secret, app release.App, plan promotion.Plan, access prometheus.Access) (promotionCluster, error)
	// historian reads the stack's history, for report.
	historian func(ctx context.Context, stackName string) (historian, error)
	// keyboard is stdin when it is a terminal, otherwise nil; getenv is os.Getenv.
	keyboard *os.File
	getenv   func(name string) string
	// screen is stdout when it is a terminal, otherwise nil; view, pause and now
	// are for status.
	screen *os.File
	view   func(kubeconfig stack.Secret, app release.App) (view, error)
	pause  time.Duration
	now    func() time.Time
}

func main() {
	os.Exit(runUntilSignal(os.Args[1:], environment{
		stdout:   os.Stdout,
		stderr:   os.Stderr,
		terminal: terminalOf(os.Stderr),
		outputs:  stack.Read,
		lookup:   net.DefaultResolver.LookupHost,
		written:  stack.Written,
		connect:  connect,
		updater: func(ctx context.Context, stackName string) (updater, error) {
			return stack.Open(ctx, stackName)
		},
		promotion: openPromotion,
		historian: func(ctx context.Context, stackName string) (historian, error) {
			return stack.Open(ctx, stackName)
		},
		keyboard: terminalOf(os.Stdin),
		getenv:   os.Getenv,
		screen:   terminalOf(os.Stdout),
		view:     openView,
		pause:    watchPause,
		now:      time.Now,
	}))
}

// runUntilSignal runs the program; Ctrl-C and SIGTERM let it clean up.
func runUntilSignal(args []string, env environment) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once, in case a clean-up hangs.
	context.AfterFunc(ctx, stop)
	return run(ctx, args, env)
}

// run is the whole program; it returns the exit code.
func run(ctx context.Context, args []string, env environment) int {
	root := newRoot(env)
	root.SetArgs(args)
	root.SetOut(env.stdout)
	root.SetErr(env.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var code exitCode
	if errors.As(err, &code) {
		return int(code)
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("interrupted: %w", err)
	}
	fmt.Fprintf(env.stderr, "canary: %v\n", err)
	return exitCannot
}

// The values of --output.
const (
	outputTable = "table"
	outputJSON  = "json"
)

// checkOutput refuses other values of --output.
func checkOutput(output string) error {
	if output != outputTable && output != outputJSON {
		return fmt.Errorf("--output is %q, allowed are table, json", output)
	}
	return nil
}

// exitCode ends the program without a message: the output says it all.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

func newRoot(env environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "canary",
		Short: "See what a canary release really does",
		Long: `See what a canary release really does.

The commands find the cluster and the app through the outputs of the selected
Pulumi stack, so run them in the project's folder, in a shell where
"pulumi stack output" works.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	root.SetVersionTemplate("canary {{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; `%s --help` lists what is allowed", err, cmd.CommandPath())
	})
	root.AddCommand(newRequests(env), newStatus(env), newPromote(env), newRollback(env), newReport(env), newVersion())
	return root
}
