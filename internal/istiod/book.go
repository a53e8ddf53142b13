package istiod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

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

// Process is one run of one istiod. Push versions compare only within it.
type Process struct {
	Key            string // differs for every run
	Namespace, Pod string
}

// Record is what a process's book says about one connection. A proxy may have
// several, in one book and in several.
type Record struct {
	Proxy       string // its ID: pod.namespace
	Router      bool   // a gateway, not a sidecar
	Sent, Acked string // nonces of its routes; "" when it watches none
	Refused     bool   // it did not accept what was sent last
	Settled     bool   // it acknowledged everything of every type
	Newest      uint64 // newest push of which it was sent anything
}

// Current is the push that the proxy's routes are from, when it has
// acknowledged the last one that it was sent.
func (r Record) Current() (version uint64, ok bool) {
	if r.Sent == "" || r.Sent != r.Acked || r.Refused {
		return 0, false
	}
	return pushVersion(r.Acked)
}

// Books reads the books of a cluster's istiods. It keeps one connection per
// process.
type Books struct {
	client *kube.Client
	kept   *kube.PageSet // by process
}

// NewBooks prepares reads; it does no I/O.
func NewBooks(c *kube.Client) *Books {
	return &Books{client: c, kept: c.PageSet(debugPort)}
}

// Processes gives the istiods that run now.
func (b *Books) Processes(ctx context.Context) ([]Process, error) {
	pods, err := b.client.Pods(ctx, "", istiodSelector)
	if err != nil {
		return nil, err
	}
	return processesOf(pods), nil
}

func processesOf(pods []corev1.Pod) []Process {
	var running []Process
	for i := range pods {
		pod := &pods[i]
		at := slices.IndexFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.Name == istiodContainer })
		if pod.Status.Phase != corev1.PodRunning || at < 0 {
			continue
		}
		restarts := pod.Status.ContainerStatuses[at].RestartCount
		running = append(running, Process{
			Key: string(pod.UID) + "/" + strconv.Itoa(int(restarts)), Namespace: pod.Namespace, Pod: pod.Name,
		})
	}
	return running
}

// Connect opens the connections to the processes by reading a part of each book, that
// of a namespace.
func (b *Books) Connect(ctx context.Context, namespace string) {
	processes, err := b.Processes(ctx)
	if err != nil {
		return
	}
	var group sync.WaitGroup
	for _, p := range processes {
		group.Go(func() { _, _ = b.Open(ctx, p, namespace) }) // one that cannot be read shows later
	}
	group.Wait()
}

// Open reads one process's book; namespace "" means all of it.
func (b *Books) Open(ctx context.Context, p Process, namespace string) ([]Record, error) {
	address := "/debug/syncz"
	if namespace != "" {
		address += "?" + url.Values{"namespace": {namespace}}.Encode()
	}
	var records []Record
	err := b.pages(p).Get(ctx, address, maxBook, func(body io.Reader) (err error) {
		records, err = parseBook(body)
		return err
	})
	if status := new(kube.PageStatusError); errors.As(err, &status) {
		return nil, fmt.Errorf("istiod %s/%s answers %s to /debug/syncz", p.Namespace, p.Pod, status.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("istiod %s/%s: %w", p.Namespace, p.Pod, err)
	}
	return records, nil
}

func (b *Books) pages(p Process) *kube.Pages { return b.kept.Of(p.Key, p.Namespace, p.Pod) }

// Close ends all connections.
func (b *Books) Close() { b.kept.Close() }

// Bytes is how much was read, in bytes.
func (b *Books) Bytes() int64 { return b.kept.Bytes() }

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
func parseBook(book io.Reader) ([]Record, error) {
	decoder := json.NewDecoder(book)
	if start, err := decoder.Token(); err != nil || start != json.Delim('[') {
		return nil, errors.New("book: not a list")
	}
	var records []Record
	for decoder.More() {
		var s syncStatus
		if err := decoder.Decode(&s); err != nil {
			return nil, fmt.Errorf("book: %w", err)
		}
		if s.Type != "sidecar" && s.Type != "router" {
			continue // ambient proxies have no routes of their own
		}
		routes := s.Resources[routeType]
		r := Record{Proxy: s.Proxy, Router: s.Type == "router", Sent: routes.Sent, Acked: routes.Acked, Refused: routes.LastError != "", Settled: true}
		for _, resource := range s.Resources {
			r.Settled = r.Settled && resource.Sent == resource.Acked && resource.LastError == ""
			if version, ok := pushVersion(resource.Sent); ok {
				r.Newest = max(r.Newest, version)
			}
		}
		records = append(records, r)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, fmt.Errorf("book: %w", err)
	}
	return records, nil
}

// SplitID takes a proxy's ID apart. A pod's name may have dots, a namespace not.
func SplitID(id string) (namespace, pod string) {
	dot := strings.LastIndexByte(id, '.')
	if dot < 0 {
		return "", id
	}
	return id[dot+1:], id[:dot]
}
