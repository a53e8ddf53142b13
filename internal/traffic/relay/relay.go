// Package relay lets a program outside a cluster send mesh traffic: requests
// go through the API server into a pod beside the app, and from there through
// that pod's own sidecar, which draws the subset as for any client in the mesh.
package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"

	"canary/internal/mesh"
	"canary/internal/release"
)

const (
	// MinLifetime is the least time after which the cluster ends a relay that
	// nobody removed.
	MinLifetime = 10 * time.Minute
	// startTimeout bounds the start of a relay, a pull of its image included.
	startTimeout = 2 * time.Minute
	// removeTimeout bounds the removal of a relay.
	removeTimeout = 15 * time.Second
	pollInterval  = 200 * time.Millisecond
)

// Options describe a relay.
type Options struct {
	Namespace string // of the app
	Service   string // of the app; its port 80 gets the requests
	Image     string // an nginx image
	GRPC      bool   // it relays calls by gRPC, and nothing else
	// Lifetime is the time after which the cluster ends the relay by itself,
	// for the case that this program is killed; at least MinLifetime.
	Lifetime time.Duration
	// Progress is told what Open waits for; may be nil.
	Progress func(string)
}

// Relay is a running relay.
type Relay struct {
	cluster   Cluster
	namespace string
	name      string
	forward   Forward
}

// Open starts a relay and returns when it relays; no request has reached the
// app by then. It also removes relays of earlier runs that were killed. When
// it fails, or ctx ends, nothing is left behind.
func Open(ctx context.Context, c Cluster, o Options) (*Relay, error) {
	o.Lifetime = max(o.Lifetime, MinLifetime)
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if err := removeLeftOvers(ctx, c, o.Namespace); err != nil {
		return nil, err
	}
	revision, err := revisionOf(ctx, c, o)
	if err != nil {
		return nil, err
	}
	pod := podFor(o, podName())
	if revision != "" {
		pod.Labels[mesh.LabelRevision] = revision
	}
	r := &Relay{cluster: c, namespace: pod.Namespace, name: pod.Name, forward: c.Forward(pod.Namespace, pod.Name)}
	if err := r.start(ctx, pod, o.Progress); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// DialContext connects to the relay: every request on the connection goes
// to the app. It has the form that http.Transport wants; the address is not
// used.
func (r *Relay) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return r.forward.DialContext(port)(ctx, network, addr)
}

// Close removes the relay and returns when its pod is gone. It does not depend
// on any context, so that an interrupted program cleans up too.
func (r *Relay) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), removeTimeout)
	defer cancel()
	_ = r.forward.Close() // the pod goes, and the connections with it
	err := r.cluster.DeletePod(ctx, r.namespace, r.name)
	for gone := false; err == nil && !gone; {
		var pod *corev1.Pod
		pod, err = find(ctx, r.cluster, r.namespace, r.name)
		if gone = err == nil && pod == nil; !gone && err == nil {
			err = sleep(ctx, pollInterval)
		}
	}
	if err != nil {
		return fmt.Errorf("relay pod %s/%s may still be there (%w): remove it with `kubectl --namespace %s delete pod %s`", r.namespace, r.name, err, r.namespace, r.name)
	}
	return nil
}

func (r *Relay) start(ctx context.Context, pod *corev1.Pod, progress func(string)) error {
	progress("starting the relay pod")
	stored, err := r.cluster.CreatePod(ctx, pod)
	if err != nil {
		return fmt.Errorf("create relay pod in namespace %s: %w", r.namespace, err)
	}
	if !hasSidecar(stored) {
		return fmt.Errorf("relay pod in namespace %s got no sidecar: Istio injects one where the labels of the namespace ask for it (istio-injection or istio.io/rev) and istiod runs", r.namespace)
	}
	waiting := "not scheduled"
	deadline := time.Now().Add(startTimeout)
	for time.Now().Before(deadline) {
		pod, err := find(ctx, r.cluster, r.namespace, r.name)
		if err != nil {
			return err
		}
		if pod == nil {
			return fmt.Errorf("relay pod %s/%s was removed by someone else while it started", r.namespace, r.name)
		}
		state := stateOf(pod)
		if state.failed {
			return fmt.Errorf("relay pod %s/%s cannot start: %s", r.namespace, r.name, state.reason)
		}
		if state.ready {
			// The container runs, but nginx may not listen yet.
			err := r.answers(ctx)
			if err == nil {
				return nil
			}
			state.reason = err.Error()
		}
		waiting = state.reason
		progress("starting the relay pod: " + waiting)
		if err := sleep(ctx, pollInterval); err != nil {
			return fmt.Errorf("relay pod %s/%s was not ready yet (%s): %w", r.namespace, r.name, waiting, err)
		}
	}
	return fmt.Errorf("relay pod %s/%s is not ready after %v: %s", r.namespace, r.name, startTimeout, waiting)
}

// answers asks nginx itself, not the app.
func (r *Relay) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	transport := &http.Transport{DialContext: r.forward.DialContext(readyPort), DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://relay/", nil)
	if err != nil {
		return err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("nginx does not answer through port-forward: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("nginx answers with status %d through port-forward", resp.StatusCode)
	}
	return nil
}

// revisionOf is the revision of Istio that the app's pods ask for; "" where they leave
// that to the namespace.
func revisionOf(ctx context.Context, c Cluster, o Options) (string, error) {
	pods, err := c.Pods(ctx, o.Namespace, release.LabelName+"="+o.Service)
	if err != nil {
		return "", fmt.Errorf("pods of the app %s/%s: %w", o.Namespace, o.Service, err)
	}
	for i := range pods {
		if revision := pods[i].Labels[mesh.LabelRevision]; revision != "" {
			return revision, nil
		}
	}
	return "", nil
}

func find(ctx context.Context, c Cluster, namespace, name string) (*corev1.Pod, error) {
	pods, err := c.Pods(ctx, namespace, managedByLabel+"="+managedBy)
	if err != nil {
		return nil, fmt.Errorf("relay pod %s/%s: %w", namespace, name, err)
	}
	for i := range pods {
		if pods[i].Name == name {
			return &pods[i], nil
		}
	}
	return nil, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
