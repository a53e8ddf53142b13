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
// hands over the lines about requests that did not end well.
func (l *Logs) FollowProxies(ctx context.Context, c *kube.Client, namespaces []string, add func(EnvoyLine)) {
	const look = 500 * time.Millisecond
	since := time.Now()
	followed := map[string]bool{}
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
				if run := proxyRun(pod); run != "" && !followed[run] {
					followed[run] = true
					group.Go(func() { l.followProxy(ctx, pod, since, add) })
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(look):
		}
	}
}

func (l *Logs) followProxy(ctx context.Context, pod *corev1.Pod, since time.Time, add func(EnvoyLine)) {
	log, err := l.Follow(ctx, pod.Namespace, pod.Name, proxyContainer, since)
	if err != nil {
		return
	}
	defer log.Close()
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if line, ok := parseEnvoyLine(pod.Namespace+"/"+pod.Name, lines.Text()); ok {
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
