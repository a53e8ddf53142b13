//go:build e2e

package harness

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"canary/test/e2e/programs/streamserver/raw"
)

// Stream is held open until its context ends; it fails when anything else ends it.
type Stream func(ctx context.Context) error

// Streams are held open one after the other, each for a while.
type Streams struct {
	stop context.CancelFunc
	done sync.WaitGroup

	mu     sync.Mutex
	opened map[string]int
	broken []error
}

// HoldStreams keeps so many streams of each kind open, each for the time given, until Finish.
func HoldStreams(t *testing.T, each int, length time.Duration, kinds map[string]Stream) *Streams {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	s := &Streams{stop: stop, opened: map[string]int{}}
	for kind, stream := range kinds {
		for range each {
			s.done.Go(func() {
				for ctx.Err() == nil {
					s.hold(ctx, kind, stream, length)
				}
			})
		}
	}
	t.Cleanup(func() { stop(); s.done.Wait() })
	return s
}

func (s *Streams) hold(ctx context.Context, kind string, stream Stream, length time.Duration) {
	// Not a deadline: gRPC would tell it to the proxies, which would keep it as well.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer time.AfterFunc(length, cancel).Stop()
	begin := time.Now()
	err := stream(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened[kind]++
	if err != nil && ctx.Err() == nil {
		s.broken = append(s.broken, fmt.Errorf("%s stream, opened at %s, after %.1f s: %w",
			kind, begin.Format("15:04:05.0"), time.Since(begin).Seconds(), err))
	}
}

// Finish ends the streams and fails the test if one of them was broken, or none was opened.
func (s *Streams) Finish(t *testing.T) {
	t.Helper()
	s.stop()
	s.done.Wait()
	t.Logf("streams held: %v, broken: %d", s.opened, len(s.broken))
	require.NoError(t, errors.Join(s.broken...))
	for kind, opened := range s.opened {
		require.Positive(t, opened, kind)
	}
}

// Websocket sends a message after the other and wants each back.
func (a App) Websocket(ctx context.Context) error {
	connection, response, err := websocket.DefaultDialer.DialContext(ctx, fmt.Sprintf("ws://127.0.0.1:%d/ws", a.Port), http.Header{"Host": {a.Host}})
	if err != nil {
		return err
	}
	defer connection.Close()
	defer response.Body.Close()
	defer context.AfterFunc(ctx, func() { connection.Close() })()
	for i := 0; ; i++ {
		sent := fmt.Sprint(i)
		if err := connection.WriteMessage(websocket.TextMessage, []byte(sent)); err != nil {
			return err
		}
		_, got, err := connection.ReadMessage()
		if err != nil {
			return err
		}
		if string(got) != sent {
			return fmt.Errorf("sent %q, got %q", sent, got)
		}
		time.Sleep(streamBeat)
	}
}

// streamBeat is the time between two messages of a stream.
const streamBeat = 50 * time.Millisecond

// Events reads server-sent events, which come in order.
func (a App) Events(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/events", a.Port), nil)
	if err != nil {
		return err
	}
	request.Host = a.Host
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	lines := bufio.NewScanner(response.Body)
	for i := 0; lines.Scan(); i++ {
		if want := fmt.Sprintf("data: %d", i); lines.Text() != want {
			return fmt.Errorf("got %q, want %q", lines.Text(), want)
		}
		lines.Scan() // the empty line
	}
	return errors.Join(lines.Err(), io.ErrUnexpectedEOF)
}

// GRPC gives the kinds of calls to an app that speaks it: one that is answered, and streams both ways.
func (a App) GRPC(t *testing.T) map[string]Stream {
	t.Helper()
	dial := func() (*grpc.ClientConn, error) {
		return grpc.NewClient(fmt.Sprintf("passthrough:///127.0.0.1:%d", a.Port), grpc.WithAuthority(a.Host),
			grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(raw.Codec{})), grpc.WithDisableRetry())
	}
	unary := func(ctx context.Context) error {
		connection, err := dial()
		if err != nil {
			return err
		}
		defer connection.Close()
		for ctx.Err() == nil {
			if err := called(ctx, connection); err != nil {
				return err
			}
			time.Sleep(streamBeat / 10)
		}
		return nil
	}
	both := func(ctx context.Context) error {
		connection, err := dial()
		if err != nil {
			return err
		}
		defer connection.Close()
		stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/streams/Both")
		for i := 0; err == nil; i++ {
			sent, got := fmt.Append(nil, i), []byte(nil)
			if err = stream.SendMsg(&sent); err == nil {
				err = stream.RecvMsg(&got)
			}
			if err == nil && string(got) != string(sent) {
				err = fmt.Errorf("sent %q, got %q", sent, got)
			}
			time.Sleep(streamBeat)
		}
		return err
	}
	return map[string]Stream{"gRPC call": unary, "gRPC": both}
}

func called(ctx context.Context, connection *grpc.ClientConn) error {
	sent, got := []byte("hello"), []byte(nil)
	if err := connection.Invoke(ctx, "/streams/Once", &sent, &got); err != nil {
		return err
	}
	if string(got) != string(sent) {
		return fmt.Errorf("sent %q, got %q", sent, got)
	}
	return nil
}
