// Package raw is gRPC without types: a message is its bytes.
package raw

import "fmt"

// HealthCheck is the method of gRPC's health service.
const HealthCheck = "/grpc.health.v1.Health/Check"

// Serving is its answer SERVING: field 1, a varint, is 1 (grpc/health/v1/health.proto).
var Serving = []byte{0x08, 0x01}

// Codec takes and gives messages of type *[]byte.
type Codec struct{}

// Marshal gives the bytes.
func (Codec) Marshal(message any) ([]byte, error) {
	text, ok := message.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("a message of type %T", message)
	}
	return *text, nil
}

// Unmarshal keeps the bytes.
func (Codec) Unmarshal(data []byte, message any) error {
	text, ok := message.(*[]byte)
	if !ok {
		return fmt.Errorf("a message of type %T", message)
	}
	*text = append([]byte(nil), data...)
	return nil
}

// Name is the one that both sides say.
func (Codec) Name() string { return "proto" }
