package traffic

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"

	"google.golang.org/grpc/codes"
)

// HealthCheck is the path of gRPC's own health check, whose empty message asks for the
// server as a whole.
const HealthCheck = "/grpc.health.v1.Health/Check"

// emptyMessage is a message of gRPC without a field: not compressed, and 0 bytes long.
// gRPC's own client would send a call again, unasked, that a proxy did not take.
var emptyMessage = make([]byte, 5)

// grpcStatus is the status of a call: in the trailer, or in the header of an answer
// that has nothing else. The body has to be read by then.
func grpcStatus(resp *http.Response) (codes.Code, error) {
	const header = "Grpc-Status"
	text := cmp.Or(resp.Trailer.Get(header), resp.Header.Get(header))
	code, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return codes.Unknown, fmt.Errorf("answer with status %d is none of gRPC: its grpc-status is %q, and a number is expected", resp.StatusCode, text)
	}
	return codes.Code(code), nil
}
