package dataplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"canary/internal/kube"
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

// clusterFleet reads the proxies of a cluster. It keeps one connection per
// proxy; reads of different proxies may run at the same time.
type clusterFleet struct {
	client *kube.Client
	app    App

	gateway labels.Selector // nil until the Gateway was read
	bytes   atomic.Int64    // of all answers

	mu    sync.Mutex
	links map[string]*link // by pod UID
}

// link is the kept connection to one port of one pod.
type link struct {
	forward *kube.Forward
	http    *http.Client
}

func newClusterFleet(c *kube.Client, app App) *clusterFleet {
	return &clusterFleet{client: c, app: app, links: map[string]*link{}}
}

func (f *clusterFleet) list(ctx context.Context) ([]proxy, error) {
	if f.gateway == nil {
		selector, err := f.gatewaySelector(ctx)
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

// connect opens the connections to the proxies that are going to be read directly,
// by reading each once: all if they are few, otherwise the gateways.
func (f *clusterFleet) connect(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	proxies, err := f.list(ctx)
	if err != nil {
		return
	}
	var group sync.WaitGroup
	for _, p := range proxies {
		if len(proxies) > fewProxies && !p.gateway {
			continue
		}
		group.Go(func() { _, _ = f.read(ctx, p) }) // a proxy that cannot be read shows later
	}
	group.Wait()
}

// gatewaySelector reads which pods the app's Gateway stands for.
func (f *clusterFleet) gatewaySelector(ctx context.Context) (labels.Selector, error) {
	object, err := f.client.Dynamic().Resource(gateways).Namespace(f.app.Namespace).Get(ctx, f.app.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("Gateway %s/%s: %w", f.app.Namespace, f.app.Name, err)
	}
	selector, _, err := unstructured.NestedStringMap(object.Object, "spec", "selector")
	if err != nil {
		return nil, fmt.Errorf("Gateway %s/%s: %w", f.app.Namespace, f.app.Name, err)
	}
	if len(selector) == 0 {
		return nil, fmt.Errorf("Gateway %s/%s has no selector, so it is not known which pods are its gateways: give it one, such as istio: ingressgateway", f.app.Namespace, f.app.Name)
	}
	return labels.SelectorFromSet(selector), nil
}

func (f *clusterFleet) read(ctx context.Context, p proxy) (served, error) {
	names := sidecarRoutes
	if p.gateway {
		names = gatewayRoutes
	}
	query := url.Values{"resource": {"dynamic_route_configs"}, "name_regex": {names}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/config_dump?"+query.Encode(), nil)
	if err != nil {
		return served{}, err
	}
	resp, err := f.link(p).http.Do(req)
	if err != nil {
		return served{}, readError(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return served{}, fmt.Errorf("envoy answers %s", resp.Status)
	}
	body := &counted{Reader: io.LimitReader(resp.Body, maxDump), n: &f.bytes}
	s, err := parseRoutes(body, f.app)
	if err != nil {
		return served{}, err
	}
	_, _ = io.Copy(io.Discard, body) // to the end, so that the connection can be kept
	return s, nil
}

// readError cuts off the address, which is the same for every proxy.
func readError(err error) error {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("its Envoy does not answer in time")
	case apierrors.IsForbidden(err):
		return fmt.Errorf("no right to read it (needed: create and get on pods/portforward): %w", err)
	}
	return err
}

func (f *clusterFleet) link(p proxy) *link {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l, ok := f.links[p.uid]; ok {
		return l
	}
	l := newLink(f.client.Forward(p.namespace, p.pod), adminPort)
	f.links[p.uid] = l
	return l
}

func newLink(forward *kube.Forward, port int) *link {
	return &link{forward: forward, http: &http.Client{Transport: &http.Transport{
		DialContext:         forward.DialContext(port),
		DisableCompression:  true,
		MaxIdleConnsPerHost: 1,
		IdleConnTimeout:     time.Minute,
	}}}
}

func (f *clusterFleet) forget(p proxy) {
	f.mu.Lock()
	l, ok := f.links[p.uid]
	delete(f.links, p.uid)
	f.mu.Unlock()
	if ok {
		l.close()
	}
}

func (f *clusterFleet) close() {
	f.mu.Lock()
	links := f.links
	f.links = map[string]*link{}
	f.mu.Unlock()
	for _, l := range links {
		l.close()
	}
}

func (l *link) close() {
	l.http.CloseIdleConnections()
	_ = l.forward.Close()
}
