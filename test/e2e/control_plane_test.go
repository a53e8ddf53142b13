//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"canary/internal/kube"
)

// TestProxyCutOff cuts one proxy off from istiod and changes the split: up waits for it, fails at its timeout, and says
// which one it is and what it serves. When the proxy is back, the same up succeeds.
func TestProxyCutOff(t *testing.T) {
	p := shared(t)
	a := p.example(t)
	p.restoreAfter(t)
	pods := ready(podsOf(t, a.client, a.namespace, a.name, "stable"))
	require.NotEmpty(t, pods)
	pod := pods[0]
	restore := cutOff(t, a.client, pod, serviceAddress(t, a.client, meshNamespace, "istiod"))
	// What istiod sends still arrives until one of the two misses the answers of the other.
	istiod, err := a.client.Pods(t.Context(), meshNamespace, "app=istiod")
	require.NoError(t, err)
	require.Len(t, istiod, 1)
	known := func(want bool) {
		t.Helper()
		begin := time.Now()
		eventually(t, 2*time.Minute, func(context.Context) error {
			book := ask(t, a.client, http.MethodGet, meshNamespace, istiod[0].Name, 15014, "/debug/syncz")
			if got := strings.Contains(book, pod.Name); got != want {
				return fmt.Errorf("istiod knows the proxy: %t", got)
			}
			return nil
		})
		t.Logf("istiod knows the proxy: %t, after %.1f s", want, time.Since(begin).Seconds())
	}
	known(false)

	p.setAll(t, "convergeTimeout=20", "canaryWeight=50")
	version := splitVersion(t, a.client, a.namespace, a.name)
	result := p.attempt(t, upArgs...)
	t.Logf("exit code %d after %.1f s: %s %s", result.code, result.took.Seconds(), lineWith(result.all, "but after"), lineWith(result.all, pod.Name))
	require.NotZero(t, result.code, result.all)
	require.Contains(t, lineWith(result.all, pod.Name), "serves stable 100 / canary 0")
	require.Contains(t, result.all, "but after 20s 1 of 4 proxies do not serve it")
	written := splitVersion(t, a.client, a.namespace, a.name)
	require.NotEqual(t, version, written, "the split was not written")

	restore()
	known(true) // Envoy pauses between its tries, for longer than the update waits: 21 s were seen
	p.up(t)
	require.Equal(t, written, splitVersion(t, a.client, a.namespace, a.name), "the split was written again")
	a.requireSplit(t, 50)
}

// TestIstiodDown changes the split while istiod is down: the API server takes no change, up says so, and traffic goes on.
func TestIstiodDown(t *testing.T) {
	p := shared(t)
	a := p.example(t)
	p.restoreAfter(t)
	version := splitVersion(t, a.client, a.namespace, a.name)
	scale := func(replicas int) {
		patchDeployment(t, a.client, meshNamespace, "istiod", fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas))
		settled(t, a.client, meshNamespace, "istiod")
	}
	scale(0)
	up := false
	t.Cleanup(func() {
		if !up {
			scale(1)
		}
	})
	drained(t, a.client, meshNamespace)

	p.set(t, "canaryWeight", "50")
	result := p.attempt(t, upArgs...)
	message := lineWith(result.all, "the split stays")
	t.Logf("exit code %d after %.1f s: %s", result.code, result.took.Seconds(), message)
	require.NotZero(t, result.code, result.all)
	require.Contains(t, message, "the split stays 100/0, and traffic goes on as before: the API server refuses every change of a VirtualService")
	require.Contains(t, message, "check istiod (`kubectl get pods -A -l app=istiod`)")
	require.Equal(t, version, splitVersion(t, a.client, a.namespace, a.name))
	a.requireIngress(t, 0)

	scale(1)
	up = true
	p.up(t)
	a.requireSplit(t, 50)
}

func serviceAddress(t *testing.T, c *kube.Client, namespace, name string) string {
	t.Helper()
	object, err := objects(c, services, namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	address, _, err := unstructured.NestedString(object.Object, "spec", "clusterIP")
	require.NoError(t, err)
	return address
}

// cutOff keeps a pod from reaching an address, until the function that it gives is called.
func cutOff(t *testing.T, c *kube.Client, pod corev1.Pod, address string) (restore func()) {
	t.Helper()
	const port = 9091
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"ephemeralContainers": []any{map[string]any{
		"name": "cutoff", "image": imageCutoff, "imagePullPolicy": "Never",
		"args": []string{"-address", address, "-listen", fmt.Sprintf("127.0.0.1:%d", port)},
		"securityContext": map[string]any{
			"runAsUser": 0, "runAsNonRoot": false, "capabilities": map[string]any{"add": []string{"NET_ADMIN"}},
		},
	}}}})
	require.NoError(t, err)
	_, err = objects(c, podResource, pod.Namespace).
		Patch(t.Context(), pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "ephemeralcontainers")
	require.NoError(t, err)
	eventually(t, time.Minute, func(ctx context.Context) error {
		object, err := objects(c, podResource, pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		statuses, _, _ := unstructured.NestedSlice(object.Object, "status", "ephemeralContainerStatuses")
		if !slices.ContainsFunc(statuses, func(status any) bool {
			_, running, _ := unstructured.NestedMap(status.(map[string]any), "state", "running")
			return running
		}) {
			return fmt.Errorf("the container that cuts off does not run: %v", statuses)
		}
		return nil
	})
	t.Cleanup(func() {
		// Such a container stays in its pod: the pod makes room for one without.
		if err := objects(c, podResource, pod.Namespace).Delete(context.Background(), pod.Name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("delete pod %s: %v", pod.Name, err)
		}
	})
	return func() { ask(t, c, http.MethodPost, pod.Namespace, pod.Name, port, "/restore") }
}
