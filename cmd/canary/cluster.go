package main

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"canary/internal/config"
	"canary/internal/kube"
	"canary/internal/mesh"
	"canary/internal/release"
	"canary/internal/stack"
	"canary/internal/traffic"
	"canary/internal/traffic/relay"
)

// cluster is what the commands need of the cluster.
type cluster interface {
	relay.Cluster
	// split is the split that the app's VirtualService has now.
	split(ctx context.Context, namespace, name string) (traffic.Split, error)
	// grpc reports whether the app speaks gRPC, as its Service says to the proxies.
	grpc(ctx context.Context, namespace, name string) (bool, error)
	// ingress is where a pod of the gateway takes the app's ingress traffic.
	ingress(ctx context.Context, app release.App) (mesh.Ingress, error)
}

type realCluster struct {
	relay.Cluster
	client *kube.Client
}

// clientOf is a client for the cluster that the stack has put out.
func clientOf(kubeconfig stack.Secret) (*kube.Client, error) {
	client, err := kube.New(kubeconfig, "")
	if err != nil {
		return nil, fmt.Errorf("the stack's output kubeconfig: %w", err)
	}
	return client, nil
}

func connect(kubeconfig stack.Secret) (cluster, error) {
	client, err := clientOf(kubeconfig)
	if err != nil {
		return nil, err
	}
	return realCluster{Cluster: relay.In(client), client: client}, nil
}

func (c realCluster) split(ctx context.Context, namespace, name string) (traffic.Split, error) {
	virtualServices := schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}
	object, err := c.client.Dynamic().Resource(virtualServices).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("VirtualService %s/%s is not in the cluster (%w): type `pulumi refresh`, then `pulumi up`", namespace, name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read VirtualService %s/%s: %w", namespace, name, err)
	}
	split, err := traffic.ParseSplit(object.Object)
	if err != nil {
		return nil, fmt.Errorf("VirtualService %s/%s is not as the program writes it: %w; type `pulumi refresh`, then `pulumi up`", namespace, name, err)
	}
	return split, nil
}

func (c realCluster) grpc(ctx context.Context, namespace, name string) (bool, error) {
	object, err := c.client.Dynamic().Resource(corev1.SchemeGroupVersion.WithResource("services")).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return false, fmt.Errorf("read Service %s/%s: %w", namespace, name, err)
	}
	var service corev1.Service
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &service); err != nil {
		return false, fmt.Errorf("read Service %s/%s: %w", namespace, name, err)
	}
	return slices.ContainsFunc(service.Spec.Ports, func(port corev1.ServicePort) bool {
		return port.AppProtocol != nil && *port.AppProtocol == config.ProtocolGRPC
	}), nil
}

func (c realCluster) ingress(ctx context.Context, app release.App) (mesh.Ingress, error) {
	return mesh.FindIngress(ctx, c.client, app)
}
