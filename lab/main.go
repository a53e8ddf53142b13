// Command lab builds the offline lab and runs what the product needs of it: a private Docker engine with
// the images, a chart repository, and the tools and plugins in the project's own folder.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"canary/lab/engine"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var project string
	root := &cobra.Command{
		Use:          "lab",
		Short:        "Build the offline lab and run its engine",
		SilenceUsage: true,
	}
	root.PersistentFlags().StringVar(&project, "project", ".", "folder of the product's checkout")

	with := func(run func(context.Context, *lab) error) func(*cobra.Command, []string) error {
		return func(cmd *cobra.Command, _ []string) error {
			l, err := newLab(project, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return run(cmd.Context(), l)
		}
	}
	var purge bool
	stop := &cobra.Command{
		Use: "stop", Short: "Stop the engine and the chart repository", Args: cobra.NoArgs,
		RunE: with(func(ctx context.Context, l *lab) error { return l.stop(ctx, purge) }),
	}
	stop.Flags().BoolVar(&purge, "purge", false, "also remove the engine's data (images and containers)")
	root.AddCommand(
		&cobra.Command{
			Use: "build", Short: "Build every part that the cache lacks", Args: cobra.NoArgs,
			RunE: with(func(ctx context.Context, l *lab) error { _, err := l.build(ctx); return err }),
		},
		&cobra.Command{
			Use: "start", Short: "Build what is missing, start the engine and the chart repository, install tools and plugins", Args: cobra.NoArgs,
			RunE: with(func(ctx context.Context, l *lab) error { return l.start(ctx) }),
		},
		stop,
		&cobra.Command{
			Use: "env", Short: "Print the environment of the lab as shell exports", Args: cobra.NoArgs,
			RunE: with(func(_ context.Context, l *lab) error { return l.env(os.Stdout) }),
		},
		&cobra.Command{
			Use: "serve-charts FOLDER", Short: "Serve a folder as a chart repository", Hidden: true, Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return engine.ServeCharts(cmd.Context(), args[0]) },
		},
	)
	return root
}
