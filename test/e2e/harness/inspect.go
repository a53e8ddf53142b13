//go:build e2e

package harness

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"canary/internal/kube"
)

// The kinds that tests look at and change.
var (
	VirtualServices  = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}
	Gateways         = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "gateways"}
	DestinationRules = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "destinationrules"}
	Services         = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	Namespaces       = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	ConfigMaps       = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	SecretResource   = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	PodResource      = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	EndpointSlices   = schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}
	Nodes            = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	Deployments      = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	Autoscalers      = schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}
	DaemonSets       = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "daemonsets"}
	LimitRanges      = schema.GroupVersionResource{Version: "v1", Resource: "limitranges"}
)

// Client is a client of the stack's cluster.
func (p *Project) Client(t *testing.T) *kube.Client {
	t.Helper()
	c, err := kube.New([]byte(p.Kubeconfig(t)), "")
	require.NoError(t, err)
	return c
}

// Objects is a kind in a namespace; "" is none.
func Objects(c *kube.Client, kind schema.GroupVersionResource, namespace string) dynamic.ResourceInterface {
	if namespace == "" {
		return c.Dynamic().Resource(kind)
	}
	return c.Dynamic().Resource(kind).Namespace(namespace)
}

// SplitVersion is the resourceVersion of the object that holds the split.
func SplitVersion(t *testing.T, c *kube.Client, namespace, name string) string {
	t.Helper()
	object, err := Objects(c, VirtualServices, namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	return object.GetResourceVersion()
}

// Versions says of each object of an app and of its namespace which version it is. What the cluster itself writes into
// the status of Deployments and pods does not count, but a pod that is another one or was restarted does.
func Versions(t *testing.T, c *kube.Client, namespace string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, kind := range []schema.GroupVersionResource{VirtualServices, Gateways, DestinationRules, Services, ConfigMaps} {
		list, err := Objects(c, kind, namespace).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		for _, o := range list.Items {
			if o.GetAnnotations()["control-plane.alpha.kubernetes.io/leader"] == "" { // a lease, which is renewed all the time
				found[kind.Resource+"/"+o.GetName()] = o.GetResourceVersion()
			}
		}
	}
	own, err := Objects(c, Namespaces, "").Get(t.Context(), namespace, metav1.GetOptions{})
	require.NoError(t, err)
	found["namespace"] = own.GetResourceVersion()
	deployments, err := c.Deployments(t.Context(), namespace, "")
	require.NoError(t, err)
	for _, d := range deployments {
		found["deployments/"+d.Name] = fmt.Sprintf("%s generation %d", d.UID, d.Generation)
	}
	pods, err := c.Pods(t.Context(), namespace, "")
	require.NoError(t, err)
	for _, pod := range pods {
		found["pods/"+pod.Name] = fmt.Sprintf("%s restarts %d", pod.UID, kube.Restarts(&pod))
	}
	return found
}

// PodsOf lists the pods of a subset that are not ending.
func PodsOf(t *testing.T, c *kube.Client, namespace, name, subset string) []corev1.Pod {
	t.Helper()
	pods, err := c.Pods(t.Context(), namespace, "app.kubernetes.io/name="+name+",app.kubernetes.io/subset="+subset)
	require.NoError(t, err)
	return slices.DeleteFunc(pods, func(pod corev1.Pod) bool { return pod.DeletionTimestamp != nil })
}

// Spec is all of a pod's spec.
func Spec(t *testing.T, c *kube.Client, pod corev1.Pod) corev1.PodSpec {
	t.Helper()
	object, err := Objects(c, PodResource, pod.Namespace).Get(t.Context(), pod.Name, metav1.GetOptions{})
	require.NoError(t, err)
	var whole corev1.Pod
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &whole))
	return whole.Spec
}

// Names are the names of pods.
func Names(pods []corev1.Pod) []string {
	var names []string
	for _, pod := range pods {
		names = append(names, pod.Name)
	}
	slices.Sort(names)
	return names
}

// Ready are those of pods that are ready.
func Ready(pods []corev1.Pod) []corev1.Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(pod corev1.Pod) bool { return !kube.Ready(&pod) })
}

// Eventually waits for a condition, which says what is missing as an error.
func Eventually(t *testing.T, limit time.Duration, condition func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var missing error
	for {
		err := condition(ctx)
		if err == nil {
			return
		}
		if missing == nil || ctx.Err() == nil { // what the end of the wait cuts off says nothing
			missing = err
		}
		select {
		case <-ctx.Done():
			t.Fatalf("still after %v: %v", limit, missing)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// PeerAuthentications is the resource of that kind of Istio's.
var PeerAuthentications = schema.GroupVersionResource{Group: "security.istio.io", Version: "v1", Resource: "peerauthentications"}

// MutatingWebhookConfigurations is the resource of that kind.
var MutatingWebhookConfigurations = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"}

// RunOnNodes runs a pod on each node that its specification allows until it is stopped, or the test is over. It returns when
// all of them are ready.
func RunOnNodes(t *testing.T, c *kube.Client, name string, pod map[string]any) (stop func()) {
	t.Helper()
	labels := map[string]any{"app": name}
	pod["tolerations"] = []any{map[string]any{"operator": "Exists"}}
	pod["terminationGracePeriodSeconds"] = int64(0)
	Make(t, c, DaemonSets, "default", map[string]any{
		"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"selector": map[string]any{"matchLabels": labels},
			"template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": pod},
		},
	})
	daemons := Objects(c, DaemonSets, "default")
	Eventually(t, 5*time.Minute, func(ctx context.Context) error {
		object, err := daemons.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		wanted, _, _ := unstructured.NestedInt64(object.Object, "status", "desiredNumberScheduled")
		ready, _, _ := unstructured.NestedInt64(object.Object, "status", "numberReady")
		if wanted == 0 || ready < wanted {
			return fmt.Errorf("%d of %d pods of %s are ready", ready, wanted, name)
		}
		return nil
	})
	return func() { require.NoError(t, daemons.Delete(t.Context(), name, metav1.DeleteOptions{})) }
}
