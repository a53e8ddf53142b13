package relay

import (
	"context"
	"fmt"
	"net"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"

	"canary/internal/kube"
)

// Cluster is what a relay needs of a Kubernetes cluster.
type Cluster interface {
	// Pods lists the pods of a namespace with the labels.
	Pods(ctx context.Context, namespace, labelSelector string) ([]corev1.Pod, error)
	// CreatePod makes a pod and gives it as the API server stored it.
	CreatePod(ctx context.Context, pod *corev1.Pod) (*corev1.Pod, error)
	// DeletePod asks for the removal of a pod; one that is gone is no error.
	DeletePod(ctx context.Context, namespace, name string) error
	// Forward gives connections into a pod.
	Forward(namespace, name string) Forward
}

// Forward is a way into a pod.
type Forward interface {
	// DialContext dials a port of the pod's loopback address.
	DialContext(port int) func(ctx context.Context, network, addr string) (net.Conn, error)
	// Close ends all connections.
	Close() error
}

// In makes a Cluster of a client.
func In(client *kube.Client) Cluster { return cluster{client} }

type cluster struct{ client *kube.Client }

func (c cluster) Pods(ctx context.Context, namespace, labelSelector string) ([]corev1.Pod, error) {
	list, err := c.pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: labelSelector})
	if err != nil {
		return nil, err
	}
	pods := make([]corev1.Pod, len(list.Items))
	for i := range list.Items {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(list.Items[i].Object, &pods[i]); err != nil {
			return nil, fmt.Errorf("pod %s: %w", list.Items[i].GetName(), err)
		}
	}
	return pods, nil
}

func (c cluster) CreatePod(ctx context.Context, pod *corev1.Pod) (*corev1.Pod, error) {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
	if err != nil {
		return nil, fmt.Errorf("pod %s: %w", pod.Name, err)
	}
	stored, err := c.pods(pod.Namespace).Create(ctx, &unstructured.Unstructured{Object: object}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	result := new(corev1.Pod)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(stored.Object, result); err != nil {
		return nil, fmt.Errorf("pod %s: %w", pod.Name, err)
	}
	return result, nil
}

func (c cluster) DeletePod(ctx context.Context, namespace, name string) error {
	err := c.pods(namespace).Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func (c cluster) Forward(namespace, name string) Forward { return c.client.Forward(namespace, name) }

func (c cluster) pods(namespace string) dynamic.ResourceInterface {
	return c.client.Dynamic().Resource(corev1.SchemeGroupVersion.WithResource("pods")).Namespace(namespace)
}
