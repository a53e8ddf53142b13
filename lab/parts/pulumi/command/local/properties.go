package local

import "github.com/pulumi/pulumi-go-provider/infer"

// CommandArgs are the inputs of a [Command]. All are optional, and nil means that
// the program did not set the input.
type CommandArgs struct {
	Create *string `pulumi:"create,optional"`
	Update *string `pulumi:"update,optional"`
	Delete *string `pulumi:"delete,optional"`

	Triggers *[]any `pulumi:"triggers,optional" provider:"replaceOnChanges"`

	Interpreter            *[]string          `pulumi:"interpreter,optional"`
	Dir                    *string            `pulumi:"dir,optional"`
	Environment            *map[string]string `pulumi:"environment,optional"`
	AddPreviousOutputInEnv *bool              `pulumi:"addPreviousOutputInEnv,optional"`
	Stdin                  *string            `pulumi:"stdin,optional"`
	Logging                *Logging           `pulumi:"logging,optional"`

	// These two are declared only so that Check can refuse them by name.
	AssetPaths   *[]string `pulumi:"assetPaths,optional"`
	ArchivePaths *[]string `pulumi:"archivePaths,optional"`
}

// Annotate describes the inputs in the provider's schema.
func (a *CommandArgs) Annotate(annotator infer.Annotator) {
	annotator.Describe(&a.Create, "Runs when the resource is created, and on a change where `update` is not set.")
	annotator.Describe(&a.Update, "Runs when an input has changed. Default: `create`.")
	annotator.Describe(&a.Delete, "Runs when the resource is deleted. Default: nothing runs.")
	annotator.Describe(&a.Triggers, "Values of any type. A change of one replaces the resource.")
	annotator.Describe(&a.Interpreter, "Program and arguments that get the command as last argument. Default: /bin/sh -c.")
	annotator.Describe(&a.Dir, "Folder to run in. Default: the program's folder.")
	annotator.Describe(&a.Environment, "Variables added to the environment of the provider.")
	annotator.Describe(&a.AddPreviousOutputInEnv,
		"Whether PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR hold the last output. Default: true.")
	annotator.Describe(&a.Stdin, "Text that the command reads as its standard input.")
	annotator.Describe(&a.Logging, "The streams that are shown while the command runs. Default: both.")
	annotator.Describe(&a.AssetPaths, "Refused by the lab's provider.")
	annotator.Describe(&a.ArchivePaths, "Refused by the lab's provider.")
}

// Output is what the last command of a [Command] wrote, each stream without its
// last newline.
type Output struct {
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// Annotate describes the outputs in the provider's schema.
func (o *Output) Annotate(annotator infer.Annotator) {
	annotator.Describe(&o.Stdout, "What the last command wrote to its standard output.")
	annotator.Describe(&o.Stderr, "What the last command wrote to its standard error.")
}

// CommandState is what is stored of a [Command]: its inputs and its output.
type CommandState struct {
	CommandArgs
	Output
}

// Logging names the streams of a command that are shown while it runs. It has no
// effect on the outputs.
type Logging string

// The values of [Logging].
const (
	LogStdout          Logging = "stdout"
	LogStderr          Logging = "stderr"
	LogStdoutAndStderr Logging = "stdoutAndStderr"
	LogNone            Logging = "none"
)

// Values lists the allowed values for the provider's schema.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: string(LogStdout), Value: LogStdout, Description: "Show standard output only."},
		{Name: string(LogStderr), Value: LogStderr, Description: "Show standard error only."},
		{Name: string(LogStdoutAndStderr), Value: LogStdoutAndStderr, Description: "Show both streams."},
		{Name: string(LogNone), Value: LogNone, Description: "Show nothing."},
	}
}

// shows reports whether stream, LogStdout or LogStderr, is shown.
func (l *Logging) shows(stream Logging) bool {
	return l == nil || *l == stream || *l == LogStdoutAndStderr
}
