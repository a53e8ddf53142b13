package local_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"github.com/stretchr/testify/require"
)

// TestSchema holds the served schema against the properties that the Go SDK of
// the real provider, version 1.2.1, reads and writes.
func TestSchema(t *testing.T) {
	t.Parallel()
	response, err := newServer(t).GetSchema(provider.GetSchemaRequest{})
	require.NoError(t, err)
	var served schema.PackageSpec
	require.NoError(t, json.Unmarshal([]byte(response.Schema), &served))
	require.Equal(t, "command", served.Name)
	require.Len(t, served.Resources, 1)
	command := served.Resources[token]

	str := schema.TypeSpec{Type: "string"}
	strings := schema.TypeSpec{Type: "array", Items: &str}
	inputs := map[string]schema.TypeSpec{
		"create": str, "update": str, "delete": str, "dir": str, "stdin": str,
		"interpreter": strings, "assetPaths": strings, "archivePaths": strings,
		"environment":            {Type: "object", AdditionalProperties: &str},
		"addPreviousOutputInEnv": {Type: "boolean"},
		"logging":                {Ref: "#/types/command:local:Logging"},
		"triggers":               {Type: "array", Items: &schema.TypeSpec{Ref: "pulumi.json#/Any"}},
	}
	require.Equal(t, inputs, types(command.InputProperties))
	require.Empty(t, command.RequiredInputs)
	require.True(t, command.InputProperties["triggers"].ReplaceOnChanges)

	inputs["stdout"], inputs["stderr"] = str, str
	require.Equal(t, inputs, types(command.Properties))
	require.ElementsMatch(t, []string{"stdout", "stderr"}, command.Required)

	var logging []any
	for _, value := range served.Types["command:local:Logging"].Enum {
		logging = append(logging, value.Value)
	}
	require.ElementsMatch(t, []any{"stdout", "stderr", "stdoutAndStderr", "none"}, logging)
}

func types(properties map[string]schema.PropertySpec) map[string]schema.TypeSpec {
	specs := map[string]schema.TypeSpec{}
	for name, property := range properties {
		specs[name] = property.TypeSpec
	}
	return specs
}

func TestDiff(t *testing.T) {
	t.Parallel()
	old := props{
		"create": "a", "delete": "b",
		"environment": strs(map[string]string{"A": "a"}), "triggers": list("1"),
	}
	with := func(name string, value any) props {
		inputs := maps.Clone(old)
		if value == nil {
			delete(inputs, name)
		} else {
			inputs[name] = value
		}
		return inputs
	}
	for name, test := range map[string]struct {
		inputs props
		diff   map[string]provider.DiffKind
	}{
		"nothing":          {old, map[string]provider.DiffKind{}},
		"environment":      {with("environment", strs(map[string]string{"A": "b"})), map[string]provider.DiffKind{"environment.A": provider.Update}},
		"text of delete":   {with("delete", "c"), map[string]provider.DiffKind{"delete": provider.Update}},
		"delete left out":  {with("delete", nil), map[string]provider.DiffKind{"delete": provider.Delete}},
		"update given":     {with("update", "c"), map[string]provider.DiffKind{"update": provider.Add}},
		"triggers dropped": {with("triggers", nil), map[string]provider.DiffKind{"triggers": provider.DeleteReplace}},
		// The program's SDK, not the provider, asks for a replacement here.
		"trigger changed": {with("triggers", list("2")), map[string]provider.DiffKind{"triggers[0]": provider.Update}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := newServer(t).Diff(provider.DiffRequest{
				ID: "id", Urn: urn, State: merge(old, "out").toMap(t), Inputs: test.inputs.toMap(t),
			})
			require.NoError(t, err)
			require.Equal(t, len(test.diff) > 0, got.HasChanges)
			kinds := map[string]provider.DiffKind{}
			for path, diff := range got.DetailedDiff {
				kinds[path] = diff.Kind
			}
			require.Equal(t, test.diff, kinds)
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		inputs  props
		refused []string
	}{
		"served":        {props{"create": "a", "triggers": list("1"), "environment": strs(map[string]string{"A": "a"}).WithSecret(true)}, nil},
		"asset paths":   {props{"create": "a", "assetPaths": list("*")}, []string{"assetPaths"}},
		"both":          {props{"assetPaths": list("*"), "archivePaths": list("*")}, []string{"archivePaths", "assetPaths"}},
		"not an object": {props{"environment": "A=a"}, []string{"environment"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inputs := test.inputs.toMap(t)
			got, err := newServer(t).Check(provider.CheckRequest{Urn: urn, Inputs: inputs})
			require.NoError(t, err)
			var refused []string
			for _, failure := range got.Failures {
				require.NotEmpty(t, failure.Reason)
				refused = append(refused, failure.Property)
			}
			slices.Sort(refused)
			require.Equal(t, test.refused, refused)
			if test.refused == nil {
				require.Equal(t, inputs, got.Inputs, "nothing is added, secrets are kept")
			}
		})
	}
}
