package local

import (
	"context"
	"fmt"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Command is the resource command:local:Command. The framework makes its token
// from the names of the provider, of this package and of this type.
type Command struct{}

var (
	_ infer.CustomCheck[CommandArgs]                  = (*Command)(nil)
	_ infer.CustomResource[CommandArgs, CommandState] = (*Command)(nil)
	_ infer.CustomUpdate[CommandArgs, CommandState]   = (*Command)(nil)
	_ infer.CustomDelete[CommandState]                = (*Command)(nil)
)

// Annotate describes the resource in the provider's schema.
func (c *Command) Annotate(annotator infer.Annotator) {
	annotator.Describe(&c, "A command that runs on this machine when the resource is created, changed or deleted.")
}

// Check refuses the inputs that this provider does not serve. A program that used
// one of them would otherwise miss its assets without a word.
func (c *Command) Check(
	ctx context.Context, req infer.CheckRequest,
) (infer.CheckResponse[CommandArgs], error) {
	args, failures, err := infer.DefaultCheck[CommandArgs](ctx, req.NewInputs)
	if err != nil {
		return infer.CheckResponse[CommandArgs]{}, fmt.Errorf("check the inputs of %q: %w", req.Name, err)
	}
	for _, property := range []string{"assetPaths", "archivePaths"} {
		if _, set := req.NewInputs.GetOk(property); set {
			failures = append(failures, provider.CheckFailure{
				Property: property,
				Reason:   "the lab's command provider does not serve " + property + ": leave it out",
			})
		}
	}
	return infer.CheckResponse[CommandArgs]{Inputs: args, Failures: failures}, nil
}

// Create runs the create command and returns a new id, the inputs and the output.
// Without a create command the output is empty.
func (c *Command) Create(
	ctx context.Context, req infer.CreateRequest[CommandArgs],
) (infer.CreateResponse[CommandState], error) {
	id, err := resource.NewUniqueHex(req.Name, 8, 0)
	if err != nil {
		return infer.CreateResponse[CommandState]{}, fmt.Errorf("make an id for %q: %w", req.Name, err)
	}
	state := CommandState{CommandArgs: req.Inputs}
	if !req.DryRun && req.Inputs.Create != nil {
		state.Output, err = run(ctx, *req.Inputs.Create, state, logTo(ctx))
	}
	// An error of any kind but infer's own "init failed" makes the framework drop
	// the id and the state.
	return infer.CreateResponse[CommandState]{ID: id, Output: state}, err
}

// Update runs the update command, else the create command, else nothing, and
// returns the new inputs with the new output or, when nothing ran, the old one.
func (c *Command) Update(
	ctx context.Context, req infer.UpdateRequest[CommandArgs, CommandState],
) (infer.UpdateResponse[CommandState], error) {
	command := req.Inputs.Update
	if command == nil {
		command = req.Inputs.Create
	}
	state := CommandState{CommandArgs: req.Inputs, Output: req.State.Output}
	var err error
	if !req.DryRun && command != nil {
		state.Output, err = run(ctx, *command, state, logTo(ctx))
	}
	return infer.UpdateResponse[CommandState]{Output: state}, err
}

// Delete runs the stored delete command, if there is one, with the stored inputs
// and output.
func (c *Command) Delete(
	ctx context.Context, req infer.DeleteRequest[CommandState],
) (infer.DeleteResponse, error) {
	if req.State.Delete == nil {
		return infer.DeleteResponse{}, nil
	}
	_, err := run(ctx, *req.State.Delete, req.State, logTo(ctx))
	return infer.DeleteResponse{}, err
}

// logTo returns a function that shows a line beside the resource while its
// operation runs.
func logTo(ctx context.Context) func(line string) {
	return provider.GetLogger(ctx).InfoStatus
}
