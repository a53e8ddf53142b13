package envoy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"sync"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"

	"canary/internal/kube"
	"canary/internal/mesh"
	"canary/internal/release"
)

const (
	adminPort = 15000
	// maxDump bounds what is read of one proxy's routes, in bytes; a gateway
	// with thousands of hosts has a few megabytes.
	maxDump = 256 << 20
	// The names of the route configurations that can hold the app, so that
	// Envoy dumps no others. A gateway's are http.80 or https.443.…, a
	// sidecar's is the Service's port, alone or behind the Service's name.
	gatewayRoutes = `https?\..*`
	sidecarRoutes = `(.*:)?80`
)

// Admin reads the proxies of a cluster. It keeps one connection per
// proxy; reads of different proxies may run at the same time.
type Admin struct {
	client *kube.Client
	app    release.App

	gateway labels.Selector // nil until the Gateway was read
	bytes   atomic.Int64    // of all answers

	mu   sync.Mutex
	kept map[string]*kube.Pages // by pod UID
}

// NewAdmin prepares reads for an app; it does no I/O.
func NewAdmin(c *kube.Client, app release.App) *Admin {
	return &Admin{client: c, app: app, kept: map[string]*kube.Pages{}}
}

// List gives the proxies that run now. The app's Gateway must be there, since it
// says which of them are its gateways.
func (f *Admin) List(ctx context.Context) ([]Proxy, error) {
	if f.gateway == nil {
		selector, err := mesh.GatewaySelector(ctx, f.client, f.app)
		if err != nil {
			return nil, err
		}
		f.gateway = selector
	}
	pods, err := f.client.Pods(ctx, "", "")
	if err != nil {
		return nil, err
	}
	return proxiesOf(pods, f.gateway), nil
}

// ListAny gives the proxies that run now, and does not tell which are gateways of
// the app.
func (f *Admin) ListAny(ctx context.Context) ([]Proxy, error) {
	pods, err := f.client.Pods(ctx, "", "")
	if err != nil {
		return nil, err
	}
	return proxiesOf(pods, labels.Nothing()), nil
}

// Connect opens the connections to the proxies by reading each once: to all if
// they are few, otherwise to the gateways.
func (f *Admin) Connect(ctx context.Context, few int) {
	proxies, err := f.List(ctx)
	if err != nil {
		return
	}
	var group sync.WaitGroup
	for _, p := range proxies {
		if len(proxies) > few && !p.Gateway {
			continue
		}
		group.Go(func() { _, _ = f.Routes(ctx, p) }) // a proxy that cannot be read shows later
	}
	group.Wait()
}

// Routes asks a proxy what it serves.
func (f *Admin) Routes(ctx context.Context, p Proxy) (Routes, error) {
	names := sidecarRoutes
	if p.Gateway {
		names = gatewayRoutes
	}
	var s Routes
	err := f.dump(ctx, p, "dynamic_route_configs", names, func(body io.Reader) (err error) {
		s, err = parseRoutes(body, f.app)
		return err
	})
	return s, err
}

// dump reads those resources of Envoy's config dump whose names match.
func (f *Admin) dump(ctx context.Context, p Proxy, resource, names string, parse func(io.Reader) error) error {
	query := url.Values{"resource": {resource}, "name_regex": {names}}
	n, err := f.pages(p).Get(ctx, "/config_dump?"+query.Encode(), maxDump, parse)
	f.bytes.Add(n)
	return readError(err)
}

// readError cuts off the address, which is the same for every proxy.
func readError(err error) error {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	var status *kube.PageStatusError
	switch {
	case errors.As(err, &status):
		return fmt.Errorf("envoy answers %s", status.Status)
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("its Envoy does not answer in time")
	case apierrors.IsForbidden(err):
		return fmt.Errorf("no right to read it (needed: create and get on pods/portforward): %w", err)
	}
	return err
}

func (f *Admin) pages(p Proxy) *kube.Pages {
	f.mu.Lock()
	defer f.mu.Unlock()
	pages, ok := f.kept[p.UID]
	if !ok {
		pages = f.client.Pages(p.Namespace, p.Pod, adminPort)
		f.kept[p.UID] = pages
	}
	return pages
}

// Forget closes the connection to a proxy that is gone.
func (f *Admin) Forget(p Proxy) {
	f.mu.Lock()
	pages, ok := f.kept[p.UID]
	delete(f.kept, p.UID)
	f.mu.Unlock()
	if ok {
		pages.Close()
	}
}

// Close ends all connections.
func (f *Admin) Close() {
	f.mu.Lock()
	kept := f.kept
	f.kept = map[string]*kube.Pages{}
	f.mu.Unlock()
	for _, pages := range kept {
		pages.Close()
	}
}

// Bytes is how much was read, in bytes.
func (f *Admin) Bytes() int64 { return f.bytes.Load() }
