package kube

import (
	"context"
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// The paths of the API groups that are read with types.
const (
	coreV1 = "/api/v1"
	appsV1 = "/apis/apps/v1"
)

// Pods lists the pods with the labels; namespace "" means all namespaces,
// labelSelector "" means any labels.
func (c *Client) Pods(ctx context.Context, namespace, labelSelector string) ([]corev1.Pod, error) {
	var found corev1.PodList
	err := c.list(ctx, &found, coreV1, "pods", namespace, "labelSelector", labelSelector)
	return found.Items, err
}

// Events lists the events of a namespace that match a field selector, such as
// "involvedObject.uid=…"; the order is the server's, not that of time.
func (c *Client) Events(ctx context.Context, namespace, fieldSelector string) ([]corev1.Event, error) {
	var found corev1.EventList
	err := c.list(ctx, &found, coreV1, "events", namespace, "fieldSelector", fieldSelector)
	return found.Items, err
}

// Deployments lists the Deployments with the labels; namespace "" means all.
func (c *Client) Deployments(ctx context.Context, namespace, labelSelector string) ([]appsv1.Deployment, error) {
	var found appsv1.DeploymentList
	err := c.list(ctx, &found, appsV1, "deployments", namespace, "labelSelector", labelSelector)
	return found.Items, err
}

// ReplicaSets lists the ReplicaSets with the labels; namespace "" means all.
func (c *Client) ReplicaSets(ctx context.Context, namespace, labelSelector string) ([]appsv1.ReplicaSet, error) {
	var found appsv1.ReplicaSetList
	err := c.list(ctx, &found, appsV1, "replicasets", namespace, "labelSelector", labelSelector)
	return found.Items, err
}

// Services lists the Services of a namespace.
func (c *Client) Services(ctx context.Context, namespace string) ([]corev1.Service, error) {
	var found corev1.ServiceList
	err := c.list(ctx, &found, coreV1, "services", namespace, "labelSelector", "")
	return found.Items, err
}

// Logs gives the last lines of a container's log; previous asks for the
// container's run before the present one, which is the one that crashed.
func (c *Client) Logs(ctx context.Context, namespace, pod, container string, previous bool, lines int64) (string, error) {
	log, err := c.rest.Get().Resource("pods").Namespace(namespace).Name(pod).SubResource("log").
		Param("container", container).
		Param("previous", strconv.FormatBool(previous)).
		Param("tailLines", strconv.FormatInt(lines, 10)).
		DoRaw(ctx)
	if err != nil {
		return "", fmt.Errorf("log of container %s in pod %s/%s: %w", container, namespace, pod, err)
	}
	return string(log), nil
}

func (c *Client) list(ctx context.Context, into runtime.Object, group, resource, namespace, selectorKind, selector string) error {
	request := c.rest.Get().AbsPath(group).Resource(resource).Namespace(namespace)
	if selector != "" {
		request.Param(selectorKind, selector)
	}
	if err := request.Do(ctx).Into(into); err != nil {
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
