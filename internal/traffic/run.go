package traffic

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	// DefaultTimeout is how long one request may take, its body included.
	DefaultTimeout = 10 * time.Second
	// DefaultMaxInFlight bounds the unanswered requests of an open loop; it
	// stays below the number of files that a process may usually open.
	DefaultMaxInFlight = 900

	minRate = 1e-3
	maxRate = 1e6
)

// Options say what to send and how.
type Options struct {
	// URL is the absolute http or https URL of every request.
	URL string
	// Host is the Host header; "" takes it from URL.
	Host string
	// DialContext opens connections. nil dials the host of URL, and 127.0.0.1
	// for localhost and names below it, which need no DNS that way.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// RootCAs are the certificates that an https URL is trusted by; nil is the system's.
	RootCAs *x509.CertPool
	// Method is the HTTP method; "" is GET.
	Method string
	// GRPC makes every request a call by gRPC, over HTTP/2, of the method that is the path
	// of URL, with an empty message; Method and Body do not count then.
	GRPC bool
	// Body is sent with each request. An empty one of POST, PUT or PATCH is
	// sent chunked: that is what keeps net/http from sending it twice.
	Body []byte
	// Count is how many requests are sent. With Rate > 0 it may be 0: requests
	// are then sent until the context is cancelled.
	Count int
	// Concurrency is how many requests are under way at once when Rate is 0
	// (closed loop: the next one starts when one is answered). 0 is 1.
	Concurrency int
	// Rate, when above 0, is requests per second in an open loop: request i
	// starts i/Rate seconds after the first one, answered or not.
	Rate float64
	// MaxInFlight bounds the unanswered requests of the open loop. A request
	// that went out late because of it has Result.Capped set. 0 is DefaultMaxInFlight.
	MaxInFlight int
	// Timeout bounds one request; 0 is DefaultTimeout.
	Timeout time.Duration
	// OnResult is called once per request that was sent and not interrupted,
	// in the order of the answers, never concurrently.
	OnResult func(Result)
}

// Run sends the requests and returns when each one has its result. Failed
// requests are results, not errors: an error says that the options are wrong,
// or that the context ended before the last request had its answer. Requests
// that are under way at that moment are cut off and have no result.
func Run(ctx context.Context, o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	transport := newTransport(o)
	defer transport.CloseIdleConnections()

	var mu sync.Mutex
	send := func(start time.Time, capped bool) {
		result := Result{Start: start, Capped: capped}
		exchange(ctx, transport, o, &result)
		result.Latency = time.Since(start)
		if ctx.Err() != nil && result.Err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		o.OnResult(result)
	}
	if o.Rate > 0 {
		return openLoop(ctx, o, send)
	}
	return closedLoop(ctx, o, send)
}

func (o Options) withDefaults() (Options, error) {
	target, err := url.Parse(o.URL)
	switch {
	case err != nil:
		return o, fmt.Errorf("url %q: %w", o.URL, err)
	case (target.Scheme != "http" && target.Scheme != "https") || target.Hostname() == "":
		return o, fmt.Errorf("url %q: want http://HOST/ or https://HOST/", o.URL)
	case o.Count < 0 || (o.Count == 0 && o.Rate <= 0):
		return o, fmt.Errorf("count %d: want at least 1", o.Count)
	case o.Concurrency < 0:
		return o, fmt.Errorf("concurrency %d: want at least 1", o.Concurrency)
	case o.Rate != 0 && !(o.Rate >= minRate && o.Rate <= maxRate): // also refuses NaN
		return o, fmt.Errorf("rate %v: want 0, or %v to %v requests per second", o.Rate, minRate, maxRate)
	case o.Timeout < 0:
		return o, fmt.Errorf("timeout %v: want a duration above 0", o.Timeout)
	case o.MaxInFlight < 0:
		return o, fmt.Errorf("in-flight cap %d: want at least 1", o.MaxInFlight)
	}
	if o.GRPC {
		o.Method, o.Body = http.MethodPost, emptyMessage
	}
	setDefault(&o.Method, http.MethodGet)
	setDefault(&o.Host, target.Host)
	setDefault(&o.Concurrency, 1)
	setDefault(&o.MaxInFlight, DefaultMaxInFlight)
	setDefault(&o.Timeout, DefaultTimeout)
	if _, err := http.NewRequest(o.Method, o.URL, nil); err != nil {
		return o, fmt.Errorf("method %q: %w", o.Method, err)
	}
	if o.OnResult == nil {
		o.OnResult = func(Result) {}
	}
	return o, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func closedLoop(ctx context.Context, o Options, send func(start time.Time, capped bool)) error {
	tickets := make(chan struct{}, o.Count)
	for range o.Count {
		tickets <- struct{}{}
	}
	close(tickets)
	var workers sync.WaitGroup
	for range min(o.Concurrency, o.Count) {
		workers.Go(func() {
			for range tickets {
				if ctx.Err() != nil {
					return
				}
				send(time.Now(), false)
			}
		})
	}
	workers.Wait()
	return interrupted(ctx)
}

func openLoop(ctx context.Context, o Options, send func(start time.Time, capped bool)) error {
	var requests sync.WaitGroup
	defer requests.Wait()
	slots := make(chan struct{}, o.MaxInFlight)
	timer := time.NewTimer(0)
	defer timer.Stop()
	interval := float64(time.Second) / o.Rate
	first := time.Now()
	var freed time.Time // when a request last got a slot that it had to wait for
	for i := 0; o.Count == 0 || i < o.Count; i++ {
		// From the first start, not from the last one: otherwise each late
		// wake-up of this goroutine would lower the rate for good.
		start := first.Add(time.Duration(float64(i) * interval))
		timer.Reset(time.Until(start))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return interrupted(ctx)
		}
		select {
		case slots <- struct{}{}:
		default:
			select {
			case slots <- struct{}{}:
				freed = time.Now()
			case <-ctx.Done():
				return interrupted(ctx)
			}
		}
		// One that waits also holds up those that fell due meanwhile.
		capped := start.Before(freed)
		requests.Go(func() {
			defer func() { <-slots }()
			send(start, capped)
		})
	}
	requests.Wait()
	return interrupted(ctx)
}

func interrupted(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrInterrupted, context.Cause(ctx))
}

// ErrInterrupted is what Run returns when its context ends early.
var ErrInterrupted = errors.New("interrupted")
