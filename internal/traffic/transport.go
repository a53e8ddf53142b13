package traffic

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"canary/internal/release"
)

// idleTimeout is shorter than what servers usually allow a connection to
// be idle, so that it is this side that closes and no request meets a
// connection that is being closed.
const idleTimeout = 20 * time.Second

// newTransport makes the one connection pool of a run. But for gRPC it is of
// HTTP/1.1 only: each request of a pool then has a connection to itself, as the
// count per subset is about requests.
func newTransport(o Options) *http.Transport {
	dial := o.DialContext
	if dial == nil {
		dial = localhostDialer{net.Dialer{Timeout: o.Timeout}}.DialContext
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!o.GRPC)
	protocols.SetHTTP2(o.GRPC)
	protocols.SetUnencryptedHTTP2(o.GRPC)
	return &http.Transport{
		DialContext:         dial,
		Protocols:           protocols,
		DisableCompression:  true,
		MaxIdleConns:        0,
		MaxIdleConnsPerHost: max(o.Concurrency, o.MaxInFlight),
		IdleConnTimeout:     idleTimeout,
		TLSHandshakeTimeout: o.Timeout,
		TLSClientConfig:     &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
	}
}

// localhostDialer dials 127.0.0.1 for localhost and every name below it: not
// every resolver knows those names (RFC 6761 only asks them to).
type localhostDialer struct{ net.Dialer }

func (d localhostDialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	return d.Dialer.DialContext(ctx, network, addr)
}

// onceBody is a request body that can be had only once. net/http sends a
// request again, unasked, when a kept connection turns out to be closed and
// the body is nil or can be had again (Transport.shouldRetryRequest,
// Request.isReplayable). This type is none that NewRequest knows, so the
// request has no GetBody; and it is not nil, so neither rule holds. An empty
// one puts nothing on the wire: the transport looks for a first byte before it
// decides to announce a body.
type onceBody struct{ io.Reader }

func (onceBody) Close() error { return nil }

// exchange sends one request, reads its answer to the end, and records both.
func exchange(ctx context.Context, transport *http.Transport, o Options, result *Result) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	var resp *http.Response
	if resp, result.Err = send(ctx, transport, o); result.Err != nil {
		return
	}
	defer resp.Body.Close()
	result.Status = resp.StatusCode
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		result.Err = fmt.Errorf("answer with status %d is cut off: %w", resp.StatusCode, err)
		return
	}
	if o.GRPC && resp.StatusCode == http.StatusOK {
		result.Code, result.Err = grpcStatus(resp)
	}
	if result.Err == nil {
		result.Subset = subsetOf(resp.Header)
	}
}

func send(ctx context.Context, transport *http.Transport, o Options) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, o.Method, o.URL, onceBody{bytes.NewReader(o.Body)})
	if err != nil {
		return nil, err
	}
	req.ContentLength = int64(len(o.Body)) // 0 with a body that is not nil means unknown
	req.Host = o.Host
	req.Header.Set("User-Agent", "canary-requests")
	req.Header.Set(release.AskHeader, "yes")
	if o.GRPC {
		req.Header.Set("Content-Type", "application/grpc")
		req.Header.Set("Te", "trailers")
	}
	// RoundTrip and not Client.Do: the client would follow redirects.
	return transport.RoundTrip(req)
}

// subsetOf is the subset that the proxy which routed the request names, or "".
func subsetOf(header http.Header) string {
	for _, subset := range []string{release.Stable, release.Canary} {
		if header.Get(release.AnswerHeader(subset)) != "" {
			return subset
		}
	}
	return ""
}
