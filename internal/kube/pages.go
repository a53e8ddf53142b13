package kube

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// PageSet reads pages of the same port of many pods. It keeps one connection per
// key until Drop or Close, and is safe for concurrent use.
type PageSet struct {
	client *Client
	port   int
	bytes  atomic.Int64 // of all answers

	mu   sync.Mutex
	kept map[string]*Pages
}

// PageSet prepares reads from a port of pods; it does no I/O.
func (c *Client) PageSet(port int) *PageSet {
	return &PageSet{client: c, port: port, kept: map[string]*Pages{}}
}

// Of gives the pages of a pod; key tells it, or one run of it, from all others.
func (s *PageSet) Of(key, namespace, pod string) *Pages {
	s.mu.Lock()
	defer s.mu.Unlock()
	pages, ok := s.kept[key]
	if !ok {
		pages = newPages(s.client, namespace, pod, s.port, &s.bytes)
		s.kept[key] = pages
	}
	return pages
}

// Drop ends the connection of a key.
func (s *PageSet) Drop(key string) {
	s.mu.Lock()
	pages, ok := s.kept[key]
	delete(s.kept, key)
	s.mu.Unlock()
	if ok {
		pages.close()
	}
}

// Close ends all connections.
func (s *PageSet) Close() {
	s.mu.Lock()
	kept := s.kept
	s.kept = map[string]*Pages{}
	s.mu.Unlock()
	for _, pages := range kept {
		pages.close()
	}
}

// Bytes is how much all answers had, in bytes.
func (s *PageSet) Bytes() int64 { return s.bytes.Load() }

// Pages reads pages of an HTTP server in a pod, also of one that listens only on
// the pod's loopback, over a kept connection.
type Pages struct {
	// Client asks; its connections lead to the pod.
	Client  *http.Client
	forward *Forward
	bytes   *atomic.Int64 // of all answers of the set
}

func newPages(c *Client, namespace, pod string, port int, bytes *atomic.Int64) *Pages {
	forward := c.Forward(namespace, pod)
	return &Pages{forward: forward, bytes: bytes, Client: &http.Client{Transport: &http.Transport{
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

// Get gives the first limit bytes of a page to parse, whose error is returned as
// it is. An answer that is not 200 is a *PageStatusError.
func (p *Pages) Get(ctx context.Context, path string, limit int64, parse func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return err
	}
	resp, err := p.Client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return &PageStatusError{Status: resp.Status}
	}
	body := &io.LimitedReader{R: resp.Body, N: limit}
	defer func() { p.bytes.Add(limit - body.N) }()
	if err := parse(body); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, body) // to the end, so that the connection can be kept
	return nil
}

func (p *Pages) close() {
	p.Client.CloseIdleConnections()
	_ = p.forward.Close()
}
