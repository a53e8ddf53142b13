package local

import (
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

func TestServer(t *testing.T) {
	t.Parallel()
	served, err := newServer("1.2.1")(nil)
	require.NoError(t, err)

	info, err := served.GetPluginInfo(t.Context(), &emptypb.Empty{})
	require.NoError(t, err)
	require.Equal(t, "1.2.1", info.GetVersion())

	config := object(t, map[string]any{"version": "1.2.1"})
	checked, err := served.CheckConfig(t.Context(), &pulumirpc.CheckRequest{News: config})
	require.NoError(t, err)
	require.Equal(t, config.AsMap(), checked.GetInputs().AsMap(), "no key of the framework's own")
	require.Empty(t, checked.GetFailures())

	diff, err := served.Diff(t.Context(), &pulumirpc.DiffRequest{
		Urn: "urn:pulumi:stack::project::command:local:Command::step",
		Olds: object(t, map[string]any{
			"create": "a", "environment": map[string]any{"A": "a", "b.c": "b"}, "triggers": []any{"1"},
			"stdout": "", "stderr": "",
		}),
		News: object(t, map[string]any{
			"create": "b", "environment": map[string]any{"A": "b", "b.c": "c"},
		}),
	})
	require.NoError(t, err)
	require.Equal(t, []string{"create", "environment", "triggers"}, diff.GetDiffs())
	require.Equal(t, []string{"triggers"}, diff.GetReplaces())
	require.Contains(t, diff.GetDetailedDiff(), "environment.A")
}

func object(t *testing.T, fields map[string]any) *structpb.Struct {
	t.Helper()
	s, err := structpb.NewStruct(fields)
	require.NoError(t, err)
	return s
}
