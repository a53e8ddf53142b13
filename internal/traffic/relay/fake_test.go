package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// fakeCluster keeps pods in memory. A created pod gets a sidecar and what
// becomes says.
type fakeCluster struct {
	noSidecar bool
	becomes   corev1.PodStatus
	create    func() error // called after the pod is stored; its error is the answer
	list      func() error
	remove    func() error
	nginx     string // address that connections into the pod go to

	mu      sync.Mutex
	pods    []corev1.Pod
	deleted []string
}

var _ Cluster = (*fakeCluster)(nil)

func (f *fakeCluster) Pods(ctx context.Context, namespace, _ string) ([]corev1.Pod, error) {
	if err := errors.Join(ctx.Err(), call(f.list)); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var pods []corev1.Pod
	for _, pod := range f.pods {
		if pod.Namespace == namespace {
			pods = append(pods, pod)
		}
	}
	return pods, nil
}

func (f *fakeCluster) CreatePod(ctx context.Context, pod *corev1.Pod) (*corev1.Pod, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	stored := pod.DeepCopy()
	stored.CreationTimestamp = metav1.Now()
	stored.Status = f.becomes
	if !f.noSidecar {
		stored.Spec.InitContainers = append(stored.Spec.InitContainers, corev1.Container{Name: "istio-proxy"})
	}
	f.mu.Lock()
	f.pods = append(f.pods, *stored)
	f.mu.Unlock()
	return stored, call(f.create)
}

func (f *fakeCluster) DeletePod(ctx context.Context, _, name string) error {
	if err := errors.Join(ctx.Err(), call(f.remove)); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pods = slices.DeleteFunc(f.pods, func(p corev1.Pod) bool { return p.Name == name })
	f.deleted = append(f.deleted, name)
	return nil
}

func (f *fakeCluster) Forward(string, string) Forward { return fakeForward{f.nginx} }

func (f *fakeCluster) names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for _, pod := range f.pods {
		names = append(names, pod.Name)
	}
	return names
}

type fakeForward struct{ address string }

func (f fakeForward) DialContext(int) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", f.address)
	}
}

func (fakeForward) Close() error { return nil }

func call(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
}

// fakeNginx answers every request with the status.
func fakeNginx(t *testing.T, statusLine string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, "HTTP/1.1 "+statusLine+"\r\nConnection: close\r\n\r\n")
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

var ready = corev1.PodStatus{
	Phase:      corev1.PodRunning,
	Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
}

func podOfAge(name string, age time.Duration, deadline *int64) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "app", Name: name, CreationTimestamp: metav1.NewTime(time.Now().Add(-age))},
		Spec:       corev1.PodSpec{ActiveDeadlineSeconds: deadline},
	}
}
