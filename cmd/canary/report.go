package main

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"canary/internal/promotion/report"
	"canary/internal/stack"
)

// historian reads what a stack has been through.
type historian interface {
	fmt.Stringer
	History(ctx context.Context) ([]stack.Recorded, error)
}

type reportCommand struct {
	env       environment
	id        string
	output    string
	stackName string
}

func newReport(env environment) *cobra.Command {
	r := &reportCommand{env: env}
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Write a promotion as one page of HTML",
		Long: `Write a promotion as one page of HTML, from the stack's history alone.

The page shows what was released by whom, how it ended and why, the canary's share
of the requests over time, the failures of both subsets, the verdicts with their
numbers, and the updates. It needs no network and nothing beside it, so it can be
kept with the release or sent to somebody.

Exit codes: 0 written, 3 wrong usage, cannot read the history or write the page, or
the history has no such promotion.`,
		Example: `  canary report
  canary report --id dh2x7kq0v3a1 --output release-1.9.0.html`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return r.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&r.id, "id", "", "promotion, as the page names it (default: the last one)")
	flags.StringVar(&r.output, "output", "", "file to write, or json: an object on stdout (default: promotion-ID.html)")
	flags.StringVar(&r.stackName, "stack", "", "Pulumi stack, which is then selected (default: the selected one)")
	return cmd
}

func (r *reportCommand) run(ctx context.Context) error {
	historian, err := r.env.historian(ctx, r.stackName)
	if err != nil {
		return err
	}
	history, err := historian.History(ctx)
	if err != nil {
		return err
	}
	found, err := report.Find(history, r.id)
	if err != nil {
		return err
	}
	found.Stack = historian.String()
	if r.output == outputJSON {
		return found.JSON(r.env.stdout)
	}
	var page bytes.Buffer
	if err := found.Write(&page); err != nil {
		return err
	}
	path := r.output
	if path == "" {
		path = "promotion-" + found.Record.ID + ".html"
	}
	if err := os.WriteFile(path, page.Bytes(), 0o644); err != nil { //nolint:gosec // the page is for everybody to read
		return err
	}
	fmt.Fprintf(r.env.stdout, "%s: %s, %s\n", path, found.Record.Image, found.Outcome)
	return nil
}
