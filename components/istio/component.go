package istio

import (
	"errors"
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/internal/config"
)

const (
	componentType = "canary:istio:Istio"

	// namespace is where everything of Istio lives. Its charts expect this name.
	namespace = "istio-system"
)

// Args are the arguments of New.
type Args struct {
	// Config says which Istio to install, and from where.
	Config config.Istio
	// DrainSeconds is the longest request, in seconds, that survives the
	// replacement of a gateway's pod.
	DrainSeconds int
}

// Istio is the service mesh. Whatever depends on it finds its CRDs, a running
// istiod that injects sidecars, and running gateways.
type Istio struct {
	pulumi.ResourceState
}

// New installs Istio on the cluster of the provider in opts.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Istio, error) {
	if args == nil {
		return nil, errors.New("istio: args must not be nil")
	}
	c := &Istio{}
	if err := ctx.RegisterComponentResource(componentType, name, c, opts...); err != nil {
		return nil, fmt.Errorf("register component %s: %w", name, err)
	}

	system, err := corev1.NewNamespace(ctx, namespace, &corev1.NamespaceArgs{
		Metadata: metav1.ObjectMetaArgs{Name: pulumi.String(namespace)},
	}, pulumi.Parent(c))
	if err != nil {
		return nil, fmt.Errorf("register namespace %s: %w", namespace, err)
	}

	install := func(ch chart, after pulumi.Resource) (*release, error) {
		return newRelease(ctx, ch.release(args.Config), pulumi.Parent(c), pulumi.DependsOn([]pulumi.Resource{after}))
	}
	// The CRDs come first. Gateways need a ready istiod: it fills in their image
	// when their pods are created.
	base, istiod, ingress, egress := charts(args)
	crds, err := install(base, system)
	if err != nil {
		return nil, err
	}
	controlPlane, err := install(istiod, crds)
	if err != nil {
		return nil, err
	}
	for _, gateway := range []chart{ingress, egress} {
		if _, err := install(gateway, controlPlane); err != nil {
			return nil, err
		}
	}

	if err := ctx.RegisterResourceOutputs(c, pulumi.Map{}); err != nil {
		return nil, fmt.Errorf("register outputs of %s: %w", name, err)
	}
	return c, nil
}
