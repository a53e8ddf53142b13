package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"canary/internal/promotion"
	"canary/internal/rollout"
	"canary/internal/stack"
)

// updater changes the stack.
type updater = promotion.Stack

func newRollback(env environment) *cobra.Command {
	stackName, output := "", ""
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "Give all requests to stable, by one update",
		Long: `Give all requests to stable, by one update, and end a promotion that is under way.

It is "pulumi config set canaryWeight 0" and "pulumi up". The canary's pods stay, and
need not be ready.

Exit codes: 0 all requests go to stable, 3 they do not, or something else of the
update failed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return fmt.Errorf("%w; `canary rollback --help` lists what is allowed", err)
			}
			return rollBack(cmd.Context(), env, stackName, output)
		},
	}
	cmd.Flags().StringVar(&output, "output", outputTable, "table or json")
	cmd.Flags().StringVar(&stackName, "stack", "", "Pulumi stack, which is then selected (default: the selected one)")
	return cmd
}

// rolledBack is what a roll back came to, for programs.
type rolledBack struct {
	Weight  string  `json:"weight"`
	Seconds float64 `json:"seconds"`
	// Lines are what the update said.
	Lines []string `json:"lines"`
}

func rollBack(ctx context.Context, env environment, stackName, output string) error {
	updater, err := env.updater(ctx, stackName)
	if err != nil {
		return err
	}
	settings, err := updater.Settings(ctx)
	if err != nil {
		return err
	}
	begin := env.now()
	change := stack.Change{Set: map[string]stack.Value{"canaryWeight": {Text: "0"}}}
	if _, found := settings[promotion.Key]; found {
		change.Remove = append(change.Remove, promotion.Key)
	}
	result := rolledBack{Weight: "0", Lines: []string{}}
	say := func(line string) {
		result.Lines = append(result.Lines, line)
		if output == outputTable {
			fmt.Fprintln(env.stdout, line)
		}
	}
	err = updater.Update(ctx, change, "canary rollback", say)
	took := env.now().Sub(begin).Seconds()
	if err != nil {
		sick := rollout.CanaryAlone(err.Error())
		if sick == "" {
			return fmt.Errorf("after %.1f s: %w", took, err)
		}
		say("the update waited for the canary, which has no share: " + sick)
	}
	if output == outputJSON {
		result.Seconds = took
		return json.NewEncoder(env.stdout).Encode(result)
	}
	fmt.Fprintf(env.stdout, "all requests go to stable, after %.1f s\n", took)
	return nil
}
