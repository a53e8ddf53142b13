package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// engineEvents takes what the engine tells of an update while it runs.
type engineEvents struct {
	pulumirpc.UnimplementedEventsServer

	// say gets the program's own lines, and wrong are those about what went wrong.
	say   func(string)
	wrong []string
	mu    sync.Mutex
}

// serve listens on loopback until stop, which waits for what was sent until then.
func (e *engineEvents) serve() (address string, stop func(), err error) {
	cancel := make(chan bool)
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterEventsServer(server, e)
			return nil
		},
	})
	if err != nil {
		return "", nil, fmt.Errorf("listen for the events of an update: %w", err)
	}
	return fmt.Sprintf("tcp://127.0.0.1:%d", handle.Port), func() {
		close(cancel)
		<-handle.Done
	}, nil
}

// StreamEvents is what the CLI calls once for each update.
func (e *engineEvents) StreamEvents(stream pulumirpc.Events_StreamEventsServer) error {
	for {
		request, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return stream.SendAndClose(&emptypb.Empty{})
		case err != nil:
			return err
		}
		var event apitype.EngineEvent
		if err := json.Unmarshal([]byte(request.GetEvent()), &event); err != nil {
			return fmt.Errorf("event of the engine: %w", err)
		}
		e.take(event)
	}
}

func (e *engineEvents) take(event apitype.EngineEvent) {
	said := event.DiagnosticEvent
	if said == nil || said.Ephemeral {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch message := strings.TrimSpace(plain(said.Message)); said.Severity {
	case "error":
		e.wrong = append(e.wrong, message)
	case "info", "warning":
		e.say(message)
	}
}

var colours = regexp.MustCompile(`<\{%[^%]*%\}>`)

// plain is a message without Pulumi's colours.
func plain(text string) string { return colours.ReplaceAllString(text, "") }
