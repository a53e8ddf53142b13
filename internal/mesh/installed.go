package mesh

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"canary/internal/kube"
)

// ProxyContainer is the name of a sidecar's container, and of a gateway's.
const ProxyContainer = "istio-proxy"

// injectorSelector selects the webhooks that give pods a sidecar.
const injectorSelector = "app=sidecar-injector"

// istioNamespace is where Istio's charts install it by default.
const istioNamespace = "istio-system"

var (
	namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	webhooks   = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"}
)

// InstalledIstio is what there is of Istio in a cluster; the zero value is none.
type InstalledIstio struct {
	// Istiods are the Deployments of istiod, as namespace/name.
	Istiods []string
	// Injectors are the webhooks that give pods a sidecar.
	Injectors []string
	// Namespace says that the namespace istio-system is there.
	Namespace bool
}

// FindIstio looks for an Istio in the cluster, whoever installed it. CRDs are
// not looked at: Istio's charts leave them behind.
func FindIstio(ctx context.Context, c *kube.Client) (InstalledIstio, error) {
	var found InstalledIstio
	_, err := c.Dynamic().Resource(namespaces).Get(ctx, istioNamespace, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return found, fmt.Errorf("namespace %s: %w", istioNamespace, err)
	}
	found.Namespace = err == nil

	deployments, err := c.Deployments(ctx, "", istiodSelector)
	if err != nil {
		return found, err
	}
	for i := range deployments {
		found.Istiods = append(found.Istiods, deployments[i].Namespace+"/"+deployments[i].Name)
	}
	injectors, err := c.Dynamic().Resource(webhooks).List(ctx, metav1.ListOptions{LabelSelector: injectorSelector})
	if err != nil {
		return found, fmt.Errorf("list webhooks that inject sidecars: %w", err)
	}
	for i := range injectors.Items {
		found.Injectors = append(found.Injectors, injectors.Items[i].GetName())
	}
	slices.Sort(found.Istiods)
	slices.Sort(found.Injectors)
	return found, nil
}
