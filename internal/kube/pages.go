package kube

import (
	"context"
	"io"
	"net/http"
	"time"
)

// Pages reads pages of an HTTP server in a pod, also of one that listens only on
// the pod's loopback. It keeps its connection until Close.
type Pages struct {
	// Client asks; its connections lead to the pod.
	Client  *http.Client
	forward *Forward
}

// Pages prepares reads from a port of a pod; it does no I/O.
func (c *Client) Pages(namespace, pod string, port int) *Pages {
	forward := c.Forward(namespace, pod)
	return &Pages{forward: forward, Client: &http.Client{Transport: &http.Transport{
		DialContext:         forward.DialContext(port),
		DisableCompression:  true,
		MaxIdleConnsPerHost: 1,
		IdleConnTimeout:     time.Minute,
	}}}
}

// PageStatusError says that the server answered something else than 200.
type PageStatusError struct{ Status string }

// Error gives the status.
func (e *PageStatusError) Error() string { return "answer " + e.Status }

// Get gives the first limit bytes of a page to parse, and says how many it read.
// The error of parse is returned as it is; an answer that is not 200 is a
// *PageStatusError.
func (p *Pages) Get(ctx context.Context, path string, limit int64, parse func(io.Reader) error) (read int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return 0, err
	}
	resp, err := p.Client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return 0, &PageStatusError{Status: resp.Status}
	}
	body := &io.LimitedReader{R: resp.Body, N: limit}
	if err := parse(body); err != nil {
		return limit - body.N, err
	}
	_, _ = io.Copy(io.Discard, body) // to the end, so that the connection can be kept
	return limit - body.N, nil
}

// Close ends the connection.
func (p *Pages) Close() {
	p.Client.CloseIdleConnections()
	_ = p.forward.Close()
}
