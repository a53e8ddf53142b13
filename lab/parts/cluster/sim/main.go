// Command sim is many sidecars without their Envoys: each is a delta xDS client
// with an ID and an address of its own that subscribes to clusters, listeners
// and the routes that the listeners name, as a sidecar does, and acknowledges
// them at once. It measures what a mesh of that size costs, on one machine.
//
// It prints a line of JSON when all have acknowledged their first routes, and
// one for every wave of pushes: how many acknowledged, and when the last did.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"istio.io/istio/pkg/log"
)

type options struct {
	address, namespace, name string
	count                    int
	rate                     float64
	quiet                    time.Duration
}

func main() {
	var o options
	cmd := &cobra.Command{
		Use:           "sim",
		Short:         "Simulate many sidecars that take their configuration from istiod",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.count < 1 || o.count > maxCount {
				return fmt.Errorf("--count is %d, allowed is 1 to %d", o.count, maxCount)
			}
			if o.rate <= 0 || o.quiet <= 0 {
				return errors.New("--rate and --quiet have to be above 0")
			}
			return simulate(cmd.Context(), o, json.NewEncoder(cmd.OutOrStdout()).Encode)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.count, "count", 100, "sidecars")
	flags.StringVar(&o.address, "address", "127.0.0.1:15010", "istiod's plaintext xDS port")
	flags.StringVar(&o.namespace, "namespace", "app-example", "namespace that the sidecars are in")
	flags.StringVar(&o.name, "name", "sim", "beginning of the sidecars' names")
	flags.Float64Var(&o.rate, "rate", 20, "connections to open per second; istiod refuses more than its limit")
	flags.DurationVar(&o.quiet, "quiet", time.Second, "how long nobody acknowledges before a wave is over")

	logging := log.DefaultOptions()
	logging.SetDefaultOutputLevel(log.OverrideScopeName, log.ErrorLevel)
	logging.OutputPaths = []string{"stderr"}
	if err := log.Configure(logging); err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd.SetOut(os.Stdout)
	if err := cmd.ExecuteContext(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(1)
	}
}
