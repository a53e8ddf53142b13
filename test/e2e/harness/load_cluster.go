//go:build e2e

package harness

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"canary/internal/kube"
)

// The names of the example app, and of the ingress gateway.
const (
	AppName         = "app-example"
	MeshNamespace   = "istio-system"
	IngressName     = "istio-ingressgateway"
	IngressSelector = "istio=ingressgateway"
)

// PatchDeployment changes a Deployment as `kubectl patch --type strategic` does.
func PatchDeployment(t *testing.T, c *kube.Client, namespace, name, patch string) {
	t.Helper()
	_, err := Objects(c, Deployments, namespace).Patch(t.Context(), name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(t, err)
}

// Cordon keeps new pods off a node, or lets them on it again, as `kubectl cordon` and `kubectl uncordon` do.
func Cordon(ctx context.Context, c *kube.Client, node string, closed bool) error {
	patch := fmt.Appendf(nil, `{"spec":{"unschedulable":%t}}`, closed)
	_, err := Objects(c, Nodes, "").Patch(ctx, node, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// Restart replaces the pods of a Deployment as `kubectl rollout restart` does.
func Restart(t *testing.T, c *kube.Client, namespace, name string) {
	t.Helper()
	PatchDeployment(t, c, namespace, name, fmt.Sprintf(
		`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":%q}}}}}`, time.Now().Format(time.RFC3339Nano)))
	Settled(t, c, namespace, name)
}

// Settled waits until a Deployment has its newest pods ready and has told the older ones to end.
func Settled(t *testing.T, c *kube.Client, namespace, name string) {
	t.Helper()
	Eventually(t, 3*time.Minute, func(ctx context.Context) error {
		object, err := Objects(c, Deployments, namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		var d appsv1.Deployment
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &d); err != nil {
			return err
		}
		if s := d.Status; s.ObservedGeneration < d.Generation || s.UpdatedReplicas != *d.Spec.Replicas ||
			s.Replicas != s.UpdatedReplicas || s.AvailableReplicas != s.UpdatedReplicas {
			return fmt.Errorf("Deployment %s/%s has not its newest pods", namespace, name)
		}
		return nil
	})
}

// Drained waits until no pod of the namespaces is ending any more.
func Drained(t *testing.T, c *kube.Client, namespaces ...string) {
	t.Helper()
	Eventually(t, 2*time.Minute, func(ctx context.Context) error {
		for _, namespace := range namespaces {
			pods, err := c.Pods(ctx, namespace, "")
			if err != nil {
				return err
			}
			for _, pod := range pods {
				if pod.DeletionTimestamp != nil {
					return fmt.Errorf("pod %s/%s is ending", namespace, pod.Name)
				}
			}
		}
		return nil
	})
}

// Ask sends a request to a port of a pod, past every proxy; the port may be one on its loopback.
func Ask(t *testing.T, c *kube.Client, method, namespace, pod string, port int, path string) string {
	t.Helper()
	forward := c.Forward(namespace, pod)
	defer func() { _ = forward.Close() }()
	client := http.Client{Transport: &http.Transport{DialContext: forward.DialContext(port), DisableKeepAlives: true}, Timeout: 30 * time.Second}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, nil)
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, string(body))
	return string(body)
}
