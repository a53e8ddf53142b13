package kube

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// headerTimeout bounds how long the API server may take to begin an answer. A
// paused or overloaded server accepts connections and then says nothing.
const headerTimeout = 20 * time.Second

// UnreachableError says that the API server itself did not answer, as opposed
// to an answer that is an error.
type UnreachableError struct {
	Server string
	Err    error
}

// Error says which server, why and what to do.
func (e *UnreachableError) Error() string {
	if foreignCertificate(e.Err) {
		return fmt.Sprintf("cluster at %s is not the one of the kubeconfig (%v): it was remade, or another one uses its address; `make up` writes a fresh kubeconfig for a k3d cluster, and for an existing cluster set `kubeconfig` anew", e.Server, e.Err)
	}
	return fmt.Sprintf("cluster not reachable at %s (%s): is it stopped? `make up` restarts or remakes a k3d cluster; for an existing cluster check `kubeconfig`, `context` and the network", e.Server, cause(e.Err))
}

// Unwrap gives the network error.
func (e *UnreachableError) Unwrap() error { return e.Err }

// cause is the short form of the usual network errors; the long form repeats
// addresses and the names of system calls.
func cause(err error) string {
	var dns *net.DNSError
	var netErr net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &dns):
		return "no such host " + dns.Name
	case errors.Is(err, errNoAnswer):
		return err.Error()
	case errors.As(err, &netErr) && netErr.Timeout():
		return "timed out"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed without an answer"
	}
	return err.Error()
}

func foreignCertificate(err error) bool {
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &certificate)
}

// IsPermanent reports whether asking again cannot help: the credentials are
// not accepted or lack a right, the request itself is wrong, or the server is
// another cluster's. Everything else (a server that restarts, a timeout) may
// pass.
func IsPermanent(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsBadRequest(err) ||
		apierrors.IsInvalid(err) || foreignCertificate(err)
}

var errNoAnswer = errors.New("no answer within " + headerTimeout.String())

// explainer turns network errors of every request to the API server into an
// UnreachableError, and gives up on a server that does not begin to answer.
type explainer struct {
	next   http.RoundTripper
	server string
}

func (e *explainer) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(headerTimeout, func() { cancel(errNoAnswer) })
	resp, err := e.next.RoundTrip(req.WithContext(ctx))
	timer.Stop()
	if err == nil {
		resp.Body = &cancelOnClose{ReadCloser: resp.Body, cancel: cancel}
		return resp, nil
	}
	noAnswer := errors.Is(context.Cause(ctx), errNoAnswer)
	cancel(nil)
	if req.Context().Err() != nil {
		return nil, err // the caller gave up; that says nothing about the server
	}
	if noAnswer {
		return nil, &UnreachableError{Server: e.server, Err: errNoAnswer}
	}
	var netErr net.Error
	if errors.As(err, &netErr) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || foreignCertificate(err) {
		return nil, &UnreachableError{Server: e.server, Err: err}
	}
	return nil, err
}

// WrappedRoundTripper lets client-go find the transport beneath.
func (e *explainer) WrappedRoundTripper() http.RoundTripper { return e.next }

// cancelOnClose keeps a request's context alive until its answer was read.
type cancelOnClose struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (c *cancelOnClose) Close() error {
	err := c.ReadCloser.Close()
	c.cancel(nil)
	return err
}
