package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"canary/internal/mesh"
	"canary/internal/release"
	"canary/internal/stack"
	"canary/internal/traffic"
	"canary/internal/traffic/relay"
)

// fakeCluster has a split, an app behind its url, and at most one relay, whose
// nginx is the app itself.
type fakeCluster struct {
	app    *httptest.Server
	splits []traffic.Split // one per reading; the last one stays
	calls  bool            // the app speaks gRPC

	mu      sync.Mutex
	read    int
	pods    []corev1.Pod
	created int
	remove  error
}

func newFakeCluster(t *testing.T, split traffic.Split, app http.HandlerFunc) *fakeCluster {
	t.Helper()
	f := &fakeCluster{splits: []traffic.Split{split}}
	f.app = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "relay" { // nginx is asked whether it is up
			w.WriteHeader(http.StatusNoContent)
			return
		}
		app(w, r)
	}))
	f.app.Config.Protocols = new(http.Protocols)
	f.app.Config.Protocols.SetHTTP1(true)
	f.app.Config.Protocols.SetUnencryptedHTTP2(true)
	f.app.Start()
	t.Cleanup(f.app.Close)
	return f
}

func (f *fakeCluster) split(context.Context, string, string) (traffic.Split, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	split := f.splits[min(f.read, len(f.splits)-1)]
	f.read++
	if split == nil {
		return nil, errors.New("no VirtualService")
	}
	return split, nil
}

func (f *fakeCluster) grpc(context.Context, string, string) (bool, error) { return f.calls, nil }

func (f *fakeCluster) ingress(_ context.Context, app release.App) (mesh.Ingress, error) {
	if app.Namespace != "shop" || app.Name != "web" {
		return mesh.Ingress{}, errors.New("no such app")
	}
	return mesh.Ingress{Namespace: "istio-system", Pod: "gateway", Port: 8080}, nil
}

func (f *fakeCluster) Pods(ctx context.Context, _, _ string) ([]corev1.Pod, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]corev1.Pod(nil), f.pods...), ctx.Err()
}

func (f *fakeCluster) CreatePod(_ context.Context, pod *corev1.Pod) (*corev1.Pod, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	stored := pod.DeepCopy()
	stored.Spec.Containers = append(stored.Spec.Containers, corev1.Container{Name: "istio-proxy"})
	stored.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	f.pods = append(f.pods, *stored)
	f.created++
	return stored, nil
}

func (f *fakeCluster) DeletePod(ctx context.Context, _, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := errors.Join(ctx.Err(), f.remove); err != nil {
		return err
	}
	f.pods = nil
	return nil
}

func (f *fakeCluster) Forward(string, string) relay.Forward {
	return fakeForward{f.app.Listener.Addr().String()}
}

type fakeForward struct{ address string }

func (f fakeForward) DialContext(int) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, f.address)
	}
}

func (fakeForward) Close() error { return nil }

// canary runs the program against a cluster.
func canary(ctx context.Context, f *fakeCluster, args ...string) (code int, stdout, stderr string) {
	var out, errors bytes.Buffer
	env := environment{
		lookup: func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil },
		stdout: &out, stderr: &errors,
		outputs: func(context.Context, string) (*stack.Outputs, error) {
			return &stack.Outputs{URL: f.app.URL, Kubeconfig: stack.Secret("secret"), Namespace: "shop", Name: "web"}, nil
		},
		connect: func(stack.Secret) (cluster, error) { return f, nil },
	}
	code = run(ctx, args, env)
	return code, out.String(), errors.String()
}
