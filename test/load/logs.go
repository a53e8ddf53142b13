package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"canary/internal/kube"
)

// Logs follows the logs of a cluster's pods.
type Logs struct {
	client *http.Client
	server string
}

// NewLogs prepares a connection by the content of a kubeconfig.
func NewLogs(kubeconfig []byte) (*Logs, error) {
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, err
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	return &Logs{client: client, server: strings.TrimSuffix(config.Host, "/")}, nil
}

// Follow opens the log of a container from a time on (zero: from its begin); it ends when the container has ended.
func (l *Logs) Follow(ctx context.Context, namespace, pod, container string, since time.Time) (io.ReadCloser, error) {
	query := url.Values{"container": {container}, "follow": {"true"}}
	if !since.IsZero() {
		query.Set("sinceTime", since.UTC().Format(time.RFC3339))
	}
	address := fmt.Sprintf("%s/api/v1/namespaces/%s/pods/%s/log?%s", l.server, namespace, pod, query.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return nil, fmt.Errorf("log of %s/%s %s: %s: %s", namespace, pod, container, resp.Status, text)
	}
	return resp.Body, nil
}

const proxyContainer = "istio-proxy"

// FollowProxies reads the access logs of every proxy in the namespaces, of new ones too, until the context ends, and
// hands over the lines about requests that did not end well. One that is cut off it reads on.
func (l *Logs) FollowProxies(ctx context.Context, c *kube.Client, namespaces []string, add func(EnvoyLine)) {
	const look = 500 * time.Millisecond
	begin := time.Now()
	logs := map[string]*proxyLog{} // by run
	var group sync.WaitGroup
	defer group.Wait()
	for ctx.Err() == nil {
		for _, namespace := range namespaces {
			pods, err := c.Pods(ctx, namespace, "")
			if err != nil {
				continue // the next look finds them
			}
			for i := range pods {
				pod := &pods[i]
				run := proxyRun(pod)
				if run == "" {
					continue
				}
				log := logs[run]
				if log == nil {
					log = &proxyLog{since: begin, seen: map[string]bool{}}
					logs[run] = log
				}
				if log.followed.CompareAndSwap(false, true) {
					group.Go(func() {
						defer log.followed.Store(false)
						l.followProxy(ctx, pod, log, add)
					})
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(look):
		}
	}
}

// proxyLog is how far the log of a proxy was read.
type proxyLog struct {
	followed atomic.Bool
	// The rest is the follower's own.
	since time.Time
	seen  map[string]bool // lines that were handed over
}

func (l *Logs) followProxy(ctx context.Context, pod *corev1.Pod, log *proxyLog, add func(EnvoyLine)) {
	text, err := l.Follow(ctx, pod.Namespace, pod.Name, proxyContainer, log.since)
	if err != nil {
		return
	}
	defer text.Close()
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		log.since = time.Now().Add(-time.Second) // what is written has come within a second
		if line, ok := parseEnvoyLine(pod.Namespace+"/"+pod.Name, lines.Text()); ok && !log.seen[line.Text] {
			log.seen[line.Text] = true
			add(line)
		}
	}
}

// proxyRun is the ID of the container in which the proxy runs, which is another one after a restart; "" when it does not.
func proxyRun(pod *corev1.Pod) string {
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, s := range list {
			if s.Name == proxyContainer && s.State.Running != nil {
				return s.ContainerID
			}
		}
	}
	return ""
}
