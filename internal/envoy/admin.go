package envoy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
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

// Admin reads the proxies of a cluster. It keeps one connection per proxy; reads
// of different proxies may run at the same time.
type Admin struct {
	client *kube.Client
	app    release.App

	kept *kube.PageSet // by pod UID

	mu      sync.Mutex
	gateway labels.Selector     // nil until the Gateway was read
	held    map[string]Clusters // by pod UID, at the time of Connect
}

// NewAdmin prepares reads for an app; it does no I/O.
func NewAdmin(c *kube.Client, app release.App) *Admin {
	return &Admin{client: c, app: app, kept: c.PageSet(adminPort)}
}

// List gives the proxies that run now. The app's Gateway says which of them are its
// gateways; as long as it is not there, none is.
func (a *Admin) List(ctx context.Context) ([]Proxy, error) {
	a.mu.Lock()
	gateway := a.gateway
	a.mu.Unlock()
	if gateway == nil {
		var err error
		gateway, err = mesh.GatewaySelector(ctx, a.client, a.app)
		switch {
		case apierrors.IsNotFound(err):
			return a.ListAny(ctx)
		case err != nil:
			return nil, err
		}
		a.mu.Lock()
		a.gateway = gateway
		a.mu.Unlock()
	}
	return a.list(ctx, gateway)
}

// ListAny gives the proxies that run now, and does not tell which are gateways of
// the app.
func (a *Admin) ListAny(ctx context.Context) ([]Proxy, error) {
	return a.list(ctx, labels.Nothing())
}

func (a *Admin) list(ctx context.Context, gateway labels.Selector) ([]Proxy, error) {
	pods, err := a.client.Pods(ctx, "", "")
	if err != nil {
		return nil, err
	}
	return proxiesOf(pods, gateway), nil
}

// Connect opens the connections to the proxies by reading the clusters of each once:
// of all if they are few, otherwise of the gateways. Routes does not ask again those
// that hold both subsets.
func (a *Admin) Connect(ctx context.Context, few int) {
	proxies, err := a.List(ctx)
	if err != nil {
		return
	}
	held := make([]Clusters, len(proxies))
	var group sync.WaitGroup
	for i, p := range proxies {
		if len(proxies) > few && !p.Gateway {
			continue
		}
		group.Go(func() { held[i], _ = a.Clusters(ctx, p) }) // a proxy that cannot be read shows later
	}
	group.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = map[string]Clusters{}
	for i, p := range proxies {
		if p.MayCall() {
			a.held[p.UID] = held[i]
		}
	}
}

// Held are the clusters that the proxies which may send requests to the app held at
// the time of Connect.
func (a *Admin) Held() []Clusters {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Values(a.held))
}

// Routes asks a proxy what it serves, and whether it holds the clusters for that, and
// does what it is to do beside. Both at the same time: the API server may be far away.
func (a *Admin) Routes(ctx context.Context, p Proxy) (Routes, error) {
	a.mu.Lock()
	clusters := a.held[p.UID]
	a.mu.Unlock()
	var group errgroup.Group
	if !clusters.Both() {
		group.Go(func() (err error) {
			clusters, err = a.Clusters(ctx, p)
			return err
		})
	}
	routes, err := a.RoutesAlone(ctx, p, a.app)
	if err := cmp.Or(err, group.Wait()); err != nil {
		return Routes{}, err
	}
	routes.Clusters, routes.Wanted = &clusters, wanted(a.app, p)
	return routes, nil
}

// wanted are the app's extras at a proxy: only its gateways keep users on a version.
func wanted(app release.App, p Proxy) *release.Extras {
	extras := app.Extras
	if !p.Gateway {
		extras.Cookie = ""
	}
	return &extras
}

// RoutesAlone asks a proxy what it serves of an app, and not whether it holds the clusters
// for that, or does anything beside. The app may differ from that of NewAdmin in how it is reached from outside.
func (a *Admin) RoutesAlone(ctx context.Context, p Proxy, app release.App) (Routes, error) {
	names := sidecarRoutes
	if p.Gateway {
		names = gatewayRoutes
	}
	var s Routes
	err := a.dump(ctx, p, "dynamic_route_configs", names, func(body io.Reader) (err error) {
		s, err = parseRoutes(body, app)
		return err
	})
	return s, err
}

// Others reads the objects of others that may keep the app's own from the proxies.
func (a *Admin) Others(ctx context.Context) mesh.Others { return mesh.ReadOthers(ctx, a.client) }

// dump reads those resources of Envoy's config dump whose names match.
func (a *Admin) dump(ctx context.Context, p Proxy, resource, names string, parse func(io.Reader) error) error {
	query := url.Values{"resource": {resource}, "name_regex": {names}}
	return readError(a.pages(p).Get(ctx, "/config_dump?"+query.Encode(), maxDump, parse))
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

func (a *Admin) pages(p Proxy) *kube.Pages { return a.kept.Of(p.UID, p.Namespace, p.Pod) }

// Forget closes the connection to a proxy that is gone.
func (a *Admin) Forget(p Proxy) { a.kept.Drop(p.UID) }

// Close ends all connections.
func (a *Admin) Close() { a.kept.Close() }

// Bytes is how much was read, in bytes.
func (a *Admin) Bytes() int64 { return a.kept.Bytes() }
