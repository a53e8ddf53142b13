//go:build e2e

package e2e

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

const (
	appName         = "app-example"
	meshNamespace   = "istio-system"
	ingressName     = "istio-ingressgateway"
	ingressSelector = "istio=ingressgateway"
)

// patchDeployment changes a Deployment as `kubectl patch --type strategic` does.
func patchDeployment(t *testing.T, c *kube.Client, namespace, name, patch string) {
	t.Helper()
	_, err := objects(c, deployments, namespace).Patch(t.Context(), name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(t, err)
}

// restart replaces the pods of a Deployment as `kubectl rollout restart` does.
func restart(t *testing.T, c *kube.Client, namespace, name string) {
	t.Helper()
	patchDeployment(t, c, namespace, name, fmt.Sprintf(
		`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":%q}}}}}`, time.Now().Format(time.RFC3339Nano)))
	settled(t, c, namespace, name)
}

// settled waits until a Deployment has its newest pods ready and has told the older ones to end.
func settled(t *testing.T, c *kube.Client, namespace, name string) {
	t.Helper()
	eventually(t, 3*time.Minute, func(ctx context.Context) error {
		object, err := objects(c, deployments, namespace).Get(ctx, name, metav1.GetOptions{})
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

// drained waits until no pod of the namespaces is ending any more.
func drained(t *testing.T, c *kube.Client, namespaces ...string) {
	t.Helper()
	eventually(t, 2*time.Minute, func(ctx context.Context) error {
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

// ask sends a request to a port of a pod, past every proxy; the port may be one on its loopback.
func ask(t *testing.T, c *kube.Client, method, namespace, pod string, port int, path string) string {
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
