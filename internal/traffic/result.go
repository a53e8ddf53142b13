package traffic

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
)

// Result is what became of one request.
type Result struct {
	// Start is when the request was sent; in an open loop, when it was due.
	Start time.Time
	// Latency is the time from Start to the last byte of the answer, or to the
	// error.
	Latency time.Duration
	// Status is the HTTP status; 0 when there was no answer.
	Status int
	// Code is the status of a gRPC answer (Options.GRPC).
	Code codes.Code
	// Subset is what the proxy that routed the request names as the one that
	// answered (release.AnswerHeader); "" when none does.
	Subset string
	// Capped says that the request went out late because too many others were
	// unanswered (Options.MaxInFlight).
	Capped bool
	// Err says why there is no whole answer.
	Err error
}

// Classes of requests that have no whole answer, as Result.Failure gives them.
const (
	FailureTimeout = "timeout"
	FailureRefused = "connection refused"
	FailureReset   = "connection reset"
	FailureClosed  = "connection closed"
	FailureDNS     = "name not resolved"
	FailureTrust   = "certificate not trusted"
	FailureOther   = "other error"
)

// Failure is "" for a request that was answered with a status below 400 and, by gRPC,
// with OK or Unimplemented: a server without the method says so itself. Otherwise it is
// the status ("503", "Unavailable") or one of the Failure classes.
func (r Result) Failure() string {
	switch {
	case r.Err != nil:
		return failureClass(r.Err)
	case r.Status >= 400:
		return strconv.Itoa(r.Status)
	case r.Code != codes.OK && r.Code != codes.Unimplemented:
		return r.Code.String()
	}
	return ""
}

// Answered says whether there was a whole answer, whatever its status.
func (r Result) Answered() bool { return r.Err == nil }

func failureClass(err error) string {
	var (
		dnsErr *net.DNSError
		netErr net.Error
		trust  *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &dnsErr):
		return FailureDNS
	case errors.As(err, &trust):
		return FailureTrust
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return FailureTimeout
	case errors.As(err, &netErr) && netErr.Timeout():
		return FailureTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return FailureRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return FailureReset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return FailureClosed
	case isServerClosedIdle(err):
		return FailureClosed
	}
	return FailureOther
}

// isServerClosedIdle knows net/http's error for a kept connection that the
// server closed; the value is not exported.
func isServerClosedIdle(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if err.Error() == "http: server closed idle connection" {
			return true
		}
	}
	return false
}
