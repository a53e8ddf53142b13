// Streamserver is an app of the tests whose answers last: websocket and server-sent
// events on one port, gRPC on another.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc"

	"canary/test/e2e/programs/streamserver/raw"
)

// beat is the time between two events.
const beat = 100 * time.Millisecond

func main() {
	httpAddress := flag.String("http", ":8080", "address of HTTP/1.1: /ws, /events and /ready")
	grpcAddress := flag.String("grpc", ":9000", "address of gRPC: every method answers each message with itself")
	flag.Parse()

	listener, err := net.Listen("tcp", *grpcAddress)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodec(raw.Codec{}), grpc.UnknownServiceHandler(echo))
	go func() { log.Fatal(server.Serve(listener)) }()

	http.HandleFunc("/ready", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("/events", events)
	http.HandleFunc("/ws", sockets)
	log.Fatal(http.ListenAndServe(*httpAddress, nil))
}

// echo answers each message with itself, until the client ends the stream. The health
// service is the exception: it always says that all is well.
func echo(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	for {
		var message []byte
		if err := stream.RecvMsg(&message); err != nil {
			return nil //nolint:nilerr // the client has ended
		}
		if method == raw.HealthCheck {
			message = raw.Serving
		}
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
}

// events are sent until the client goes away.
func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	flusher := http.NewResponseController(w)
	for i := 0; ; i++ {
		if _, err := fmt.Fprintf(w, "data: %d\n\n", i); err != nil || flusher.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(beat):
		}
	}
}

// sockets answers each message with itself.
func sockets(w http.ResponseWriter, r *http.Request) {
	connection, err := new(websocket.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer connection.Close()
	for {
		kind, message, err := connection.ReadMessage()
		if err != nil || connection.WriteMessage(kind, message) != nil {
			return
		}
	}
}
