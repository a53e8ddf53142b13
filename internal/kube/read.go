package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
)

const (
	coreV1 = "/api/v1"
	appsV1 = "/apis/apps/v1"
)

// Pods lists the pods with the labels; namespace "" means all namespaces,
// labelSelector "" means any labels.
func (c *Client) Pods(ctx context.Context, namespace, labelSelector string) ([]Pod, error) {
	return list[Pod](ctx, c, coreV1, "pods", namespace, "labelSelector", labelSelector)
}

// Events lists the events of a namespace that match a field selector, such as
// "involvedObject.uid=…"; the order is the server's, not that of time.
func (c *Client) Events(ctx context.Context, namespace, fieldSelector string) ([]Event, error) {
	return list[Event](ctx, c, coreV1, "events", namespace, "fieldSelector", fieldSelector)
}

// Deployments lists the Deployments with the labels; namespace "" means all.
func (c *Client) Deployments(ctx context.Context, namespace, labelSelector string) ([]Deployment, error) {
	return list[Deployment](ctx, c, appsV1, "deployments", namespace, "labelSelector", labelSelector)
}

// ReplicaSets lists the ReplicaSets with the labels; namespace "" means all.
func (c *Client) ReplicaSets(ctx context.Context, namespace, labelSelector string) ([]ReplicaSet, error) {
	return list[ReplicaSet](ctx, c, appsV1, "replicasets", namespace, "labelSelector", labelSelector)
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

func list[T any](ctx context.Context, c *Client, group, resource, namespace, selectorKind, selector string) ([]T, error) {
	request := c.rest.Get().AbsPath(group).Resource(resource).Namespace(namespace)
	if selector != "" {
		request.Param(selectorKind, selector)
	}
	var found struct {
		Items []T `json:"items"`
	}
	result := request.Do(ctx)
	err := result.Error()
	if err == nil {
		body, _ := result.Raw()
		err = json.Unmarshal(body, &found)
	}
	if err != nil {
		return nil, fmt.Errorf("list %s%s: %w", resource, where(namespace), err)
	}
	return found.Items, nil
}

func where(namespace string) string {
	if namespace == "" {
		return " of all namespaces"
	}
	return " in namespace " + namespace
}
