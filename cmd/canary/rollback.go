package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"canary/internal/promotion"
	"canary/internal/stack"
)

// updater changes the stack.
type updater = promotion.Stack

func newRollback(env environment) *cobra.Command {
	stackName := ""
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "Give all requests to stable, by one update",
		Long: `Give all requests to stable, by one update, and end a promotion that is under way.

It is "pulumi config set canaryWeight 0" and "pulumi up". The canary's pods stay.

Exit codes: 0 all requests go to stable, 3 they do not, or something else of the
update failed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return rollBack(cmd.Context(), env, stackName) },
	}
	cmd.Flags().StringVar(&stackName, "stack", "", "Pulumi stack, which is then selected (default: the selected one)")
	return cmd
}

func rollBack(ctx context.Context, env environment, stackName string) error {
	updater, err := env.updater(ctx, stackName)
	if err != nil {
		return err
	}
	settings, err := updater.Settings(ctx)
	if err != nil {
		return err
	}
	begin := env.now()
	var remove []string
	if _, found := settings[promotion.Key]; found {
		remove = append(remove, promotion.Key)
	}
	if err := updater.Configure(ctx, map[string]stack.Value{"canaryWeight": {Text: "0"}}, remove); err != nil {
		return err
	}
	err = updater.Update(ctx, "canary rollback", func(line string) { fmt.Fprintln(env.stdout, line) })
	took := env.now().Sub(begin).Seconds()
	if err != nil {
		return fmt.Errorf("after %.1f s: %w", took, err)
	}
	fmt.Fprintf(env.stdout, "all requests go to stable, after %.1f s\n", took)
	return nil
}
