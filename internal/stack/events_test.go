package stack

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func TestEngineEvents(t *testing.T) {
	t.Parallel()
	var lines []string
	said := &engineEvents{say: func(line string) { lines = append(lines, line) }}
	address, stop, err := said.serve()
	require.NoError(t, err)
	client, err := grpc.NewClient(strings.TrimPrefix(address, "tcp://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	stream, err := pulumirpc.NewEventsClient(client).StreamEvents(t.Context())
	require.NoError(t, err)
	for _, event := range []apitype.EngineEvent{
		{PreludeEvent: &apitype.PreludeEvent{}},
		{DiagnosticEvent: &apitype.DiagnosticEvent{Severity: "info", Message: "<{%reset%}>3 of 4 proxies<{%reset%}>\n", Ephemeral: true}},
		{DiagnosticEvent: &apitype.DiagnosticEvent{Severity: "info", Message: "<{%reset%}>served by 4 proxies<{%reset%}>\n"}},
		{DiagnosticEvent: &apitype.DiagnosticEvent{Severity: "debug", Message: "no line"}},
		{DiagnosticEvent: &apitype.DiagnosticEvent{Severity: "error", Message: "no pods"}},
	} {
		data, err := json.Marshal(event)
		require.NoError(t, err)
		require.NoError(t, stream.Send(&pulumirpc.EventRequest{Event: string(data)}))
	}
	_, err = stream.CloseAndRecv()
	require.NoError(t, err)
	require.NoError(t, client.Close())
	stop()
	require.Equal(t, []string{"served by 4 proxies"}, lines)
	require.Equal(t, []string{"no pods"}, said.wrong)
}

// An update that does not begin sends nothing.
func TestNoEngineEvents(t *testing.T) {
	t.Parallel()
	_, stop, err := new(engineEvents).serve()
	require.NoError(t, err)
	stop()
}
