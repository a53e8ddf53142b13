package dataplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"canary/internal/kube"
)

const (
	istiodSelector  = "app=istiod"
	istiodContainer = "discovery"
	// debugPort also has the debug pages; on the pod's loopback they want no
	// credentials.
	debugPort = 15014
	// maxBook bounds what is read of one istiod's book, in bytes; a proxy takes
	// about two kilobytes.
	maxBook   = 1 << 30
	routeType = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
)

// process is one run of one istiod. Push versions compare only within it.
type process struct {
	key            string // differs for every run
	namespace, pod string
}

// record is what a process's book says about one connection. A proxy may have
// several, in one book and in several.
type record struct {
	proxy       string // its ID: pod.namespace
	router      bool   // a gateway, not a sidecar
	sent, acked string // nonces of its routes; "" when it watches none
	refused     bool   // it did not accept what was sent last
	settled     bool   // it acknowledged everything of every type
	newest      uint64 // newest push of which it was sent anything
}

// current is the push that the proxy's routes are from, when it has
// acknowledged the last one that it was sent.
func (r record) current() (version uint64, ok bool) {
	if r.sent == "" || r.sent != r.acked || r.refused {
		return 0, false
	}
	return pushVersion(r.acked)
}

// books are istiod's records of what each proxy acknowledged.
type books interface {
	// processes gives the istiods that run now.
	processes(ctx context.Context) ([]process, error)
	// open reads one process's book; namespace "" means all of it. It is called
	// concurrently.
	open(ctx context.Context, p process, namespace string) ([]record, error)
}

// clusterBooks reads the books of a cluster's istiods. It keeps one connection
// per istiod pod.
type clusterBooks struct {
	client *kube.Client
	bytes  atomic.Int64 // of all answers

	mu    sync.Mutex
	links map[string]*link // by process
}

func newClusterBooks(c *kube.Client) *clusterBooks {
	return &clusterBooks{client: c, links: map[string]*link{}}
}

func (b *clusterBooks) processes(ctx context.Context) ([]process, error) {
	pods, err := b.client.Pods(ctx, "", istiodSelector)
	if err != nil {
		return nil, err
	}
	return processesOf(pods), nil
}

func processesOf(pods []kube.Pod) []process {
	var running []process
	for i := range pods {
		pod := &pods[i]
		at := slices.IndexFunc(pod.Status.ContainerStatuses, func(s kube.ContainerStatus) bool { return s.Name == istiodContainer })
		if pod.Status.Phase != kube.PodRunning || at < 0 {
			continue
		}
		restarts := pod.Status.ContainerStatuses[at].RestartCount
		running = append(running, process{
			key: string(pod.UID) + "/" + strconv.Itoa(restarts), namespace: pod.Namespace, pod: pod.Name,
		})
	}
	return running
}

func (b *clusterBooks) open(ctx context.Context, p process, namespace string) ([]record, error) {
	address := "http://localhost/debug/syncz"
	if namespace != "" {
		address += "?" + url.Values{"namespace": {namespace}}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := b.link(p).http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("istiod %s/%s: %w", p.namespace, p.pod, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("istiod %s/%s answers %s to /debug/syncz", p.namespace, p.pod, resp.Status)
	}
	body := &counted{Reader: io.LimitReader(resp.Body, maxBook), n: &b.bytes}
	records, err := parseBook(body)
	if err != nil {
		return nil, fmt.Errorf("istiod %s/%s: %w", p.namespace, p.pod, err)
	}
	_, _ = io.Copy(io.Discard, body) // to the end, so that the connection can be kept
	return records, nil
}

func (b *clusterBooks) link(p process) *link {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, ok := b.links[p.key]
	if !ok {
		l = newLink(b.client.Forward(p.namespace, p.pod), debugPort)
		b.links[p.key] = l
	}
	return l
}

func (b *clusterBooks) close() {
	b.mu.Lock()
	links := b.links
	b.links = map[string]*link{}
	b.mu.Unlock()
	for _, l := range links {
		l.close()
	}
}

// syncStatus is the part that matters of one element of /debug/syncz.
type syncStatus struct {
	Proxy     string `json:"proxy"`
	Type      string `json:"proxy_type"`
	Resources map[string]struct {
		Sent      string `json:"sent"`
		Acked     string `json:"acked"`
		LastError string `json:"lastError"`
	} `json:"resources"`
}

// parseBook reads a book element by element: that of a large mesh has megabytes.
func parseBook(book io.Reader) ([]record, error) {
	decoder := json.NewDecoder(book)
	if start, err := decoder.Token(); err != nil || start != json.Delim('[') {
		return nil, errors.New("book: not a list")
	}
	var records []record
	for decoder.More() {
		var s syncStatus
		if err := decoder.Decode(&s); err != nil {
			return nil, fmt.Errorf("book: %w", err)
		}
		if s.Type != "sidecar" && s.Type != "router" {
			continue // ambient proxies have no routes of their own
		}
		routes := s.Resources[routeType]
		r := record{proxy: s.Proxy, router: s.Type == "router", sent: routes.Sent, acked: routes.Acked, refused: routes.LastError != "", settled: true}
		for _, resource := range s.Resources {
			r.settled = r.settled && resource.Sent == resource.Acked && resource.LastError == ""
			if version, ok := pushVersion(resource.Sent); ok {
				r.newest = max(r.newest, version)
			}
		}
		records = append(records, r)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, fmt.Errorf("book: %w", err)
	}
	return records, nil
}

// splitID takes a proxy's ID apart. A pod's name may have dots, a namespace not.
func splitID(id string) (namespace, pod string) {
	dot := strings.LastIndexByte(id, '.')
	if dot < 0 {
		return "", id
	}
	return id[dot+1:], id[:dot]
}

// counted counts what is read through it.
type counted struct {
	io.Reader
	n *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}
