package kube

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// Pods lists the pods with the labels; namespace "" means all namespaces,
// labelSelector "" means any labels.
func (c *Client) Pods(ctx context.Context, namespace, labelSelector string) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := get(ctx, c.core, "pods", namespace, metav1.ListOptions{LabelSelector: labelSelector}, &list)
	return list.Items, err
}

// Events lists the events of a namespace that match a field selector, such as
// "involvedObject.uid=…"; the order is the server's, not that of time.
func (c *Client) Events(ctx context.Context, namespace, fieldSelector string) ([]corev1.Event, error) {
	var list corev1.EventList
	err := get(ctx, c.core, "events", namespace, metav1.ListOptions{FieldSelector: fieldSelector}, &list)
	return list.Items, err
}

// Deployments lists the Deployments with the labels; namespace "" means all.
func (c *Client) Deployments(ctx context.Context, namespace, labelSelector string) ([]appsv1.Deployment, error) {
	var list appsv1.DeploymentList
	err := get(ctx, c.apps, "deployments", namespace, metav1.ListOptions{LabelSelector: labelSelector}, &list)
	return list.Items, err
}

// ReplicaSets lists the ReplicaSets with the labels; namespace "" means all.
func (c *Client) ReplicaSets(ctx context.Context, namespace, labelSelector string) ([]appsv1.ReplicaSet, error) {
	var list appsv1.ReplicaSetList
	err := get(ctx, c.apps, "replicasets", namespace, metav1.ListOptions{LabelSelector: labelSelector}, &list)
	return list.Items, err
}

// Logs gives the last lines of a container's log; previous asks for the
// container's run before the present one, which is the one that crashed.
func (c *Client) Logs(ctx context.Context, namespace, pod, container string, previous bool, lines int64) (string, error) {
	log, err := c.core.Get().Resource("pods").Namespace(namespace).Name(pod).SubResource("log").
		SpecificallyVersionedParams(&corev1.PodLogOptions{Container: container, Previous: previous, TailLines: &lines}, parameters, corev1.SchemeGroupVersion).
		DoRaw(ctx)
	if err != nil {
		return "", fmt.Errorf("log of container %s in pod %s/%s: %w", container, namespace, pod, err)
	}
	return string(log), nil
}

// parameters turns options into a query; it needs the types of the core group.
var parameters = newParameterCodec()

func newParameterCodec() runtime.ParameterCodec {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		panic(fmt.Sprintf("registering Kubernetes types: %v", err)) // cannot fail: static
	}
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	return runtime.NewParameterCodec(scheme)
}

func get(ctx context.Context, client rest.Interface, resource, namespace string, options metav1.ListOptions, into runtime.Object) error {
	err := client.Get().Resource(resource).Namespace(namespace).
		SpecificallyVersionedParams(&options, parameters, schema.GroupVersion{Version: "v1"}).
		Do(ctx).Into(into)
	if err != nil {
		return fmt.Errorf("list %s%s: %w", resource, where(namespace), err)
	}
	return nil
}

func where(namespace string) string {
	if namespace == "" {
		return " of all namespaces"
	}
	return " in namespace " + namespace
}
