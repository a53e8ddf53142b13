package config

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/esc"
	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the configuration's keys into Pulumi.yaml and README.md")

const (
	projectFile = "../../Pulumi.yaml"
	stackFile   = "../../Pulumi.dev.yaml"
	readmeFile  = "../../README.md"
)

// Keys that "pulumi new" asks for.
var asked = []string{"canaryWeight", "stableImage", "canaryImage"}

// The documents have the keys between two marker lines each: what stands there is what Keys says.
//
//nolint:paralleltest // with -update the other tests must see what it wrote
func TestDocumentsHaveEveryKey(t *testing.T) {
	for _, document := range []struct{ file, marker, want string }{
		{projectFile, "config", schema()},
		{projectFile, "template", questions()},
		{readmeFile, "config", table()},
	} {
		content, err := os.ReadFile(document.file)
		require.NoError(t, err)
		if document.marker == "template" && !strings.Contains(string(content), "\ntemplate:\n") {
			continue // "pulumi new" takes it out
		}
		before, found, after := block(t, document.file, string(content), document.marker)
		if *update {
			require.NoError(t, os.WriteFile(document.file, []byte(before+document.want+after), 0o644))
			continue
		}
		require.Empty(t, cmp.Diff(document.want, found),
			"%s is not what internal/config declares; run: go test ./internal/config -update", document.file)
	}
}

// block splits a document around what stands between the lines with NAME:begin and NAME:end.
func block(t *testing.T, file, content, name string) (before, inside, after string) {
	t.Helper()
	parts := regexp.MustCompile(`(?s)^(.*[ ]` + name + `:begin[^\n]*\n)(.*?)([^\n]*[ ]` + name + `:end.*)$`).FindStringSubmatch(content)
	require.NotNil(t, parts, "%s has no lines with %s:begin and %s:end", file, name, name)
	return parts[1], parts[2], parts[3]
}

func schema() string {
	var text strings.Builder
	for _, key := range Keys() {
		kind, value := "string", fmt.Sprintf("%q", key.Default)
		if key.Default == "{}" {
			kind, value = "object", key.Default
		}
		fmt.Fprintf(&text, "  %s:\n", key.Name)
		if key.Name != "pod" && key.Name != "canaryPod" { // text or an object
			fmt.Fprintf(&text, "    type: %s\n", kind)
		}
		fmt.Fprintf(&text, "    default: %s\n    description: %q\n", value, key.Description)
	}
	return text.String()
}

func questions() string {
	var text strings.Builder
	for _, name := range asked {
		key := mustFind(name)
		fmt.Fprintf(&text, "    %s:\n      default: %q\n      description: %q\n", key.Name, key.Default, key.Description)
	}
	return text.String()
}

func table() string {
	escape := strings.NewReplacer("<", `\<`, "|", `\|`, "*", `\*`)
	var text strings.Builder
	text.WriteString("| Key | Default | Meaning |\n| --- | --- | --- |\n")
	for _, key := range Keys() {
		value := ""
		if key.Default != "" {
			value = "`" + key.Default + "`"
		}
		fmt.Fprintf(&text, "| `%s` | %s | %s |\n", key.Name, value, escape.Replace(key.Description))
	}
	return text.String()
}

// The CLI itself accepts Pulumi.yaml, and what it makes of a stack without configuration is Parse's own
// idea of the defaults.
func TestProjectGivesTheDefaults(t *testing.T) {
	t.Parallel()
	project, err := workspace.LoadProject(projectFile)
	require.NoError(t, err)
	require.NoError(t, project.Validate())

	values := pulumiconfig.Map{}
	err = workspace.ValidateStackConfigAndApplyProjectConfig(context.Background(), "dev", project, esc.Value{}, values,
		pulumiconfig.NopEncrypter, pulumiconfig.NopDecrypter)
	require.NoError(t, err)
	plain, err := values.Decrypt(pulumiconfig.NopDecrypter)
	require.NoError(t, err)

	fromProject := map[string]string{}
	for key, value := range plain {
		if key.Namespace() == string(project.Name) {
			fromProject[key.Name()] = value
		}
	}
	require.Len(t, fromProject, len(Keys()))
	want, err := Parse(nil)
	require.NoError(t, err)
	got, err := Parse(fromProject)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, got))
}

// The keys stand there without a prefix, so that they are the project's own under every name.
func TestStackFileShowsDefaults(t *testing.T) {
	t.Parallel()
	project := published(t)
	shown := stackConfig(t, project, stackFile)
	require.NotEmpty(t, shown)
	for key, value := range shown {
		require.Equal(t, string(project.Name), key.Namespace())
		require.Less(t, position(key.Name()), len(declarations), key.Name())
		require.Equal(t, mustFind(key.Name()).Default, value, key.Name())
	}
}

// published is the project as its repository has it: what a project made of it keeps in its stacks is its own affair.
func published(t *testing.T) *workspace.Project {
	t.Helper()
	project, err := workspace.LoadProject(projectFile)
	require.NoError(t, err)
	if project.Name != publishedName {
		t.Skipf("this is project %q, made from %q", project.Name, publishedName)
	}
	return project
}

// stackConfig reads a stack's file as the CLI does.
func stackConfig(t *testing.T, project *workspace.Project, file string) map[pulumiconfig.Key]string {
	t.Helper()
	stack, err := workspace.LoadProjectStack(nil, project, file)
	require.NoError(t, err)
	values, err := stack.Config.Decrypt(pulumiconfig.NopDecrypter)
	require.NoError(t, err)
	return values
}
