package istio

import (
	"context"
	"errors"
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/internal/charts"
	"canary/internal/config"
	"canary/internal/hooks"
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
	// Kubeconfig is the content of the cluster's kubeconfig, and Context the name of
	// one of its contexts ("" is the current one).
	Kubeconfig pulumi.StringInput
	Context    string
	// Shared says that somebody else may have installed Istio in the cluster: it is
	// looked at before the first installation.
	Shared bool

	// Charts is where Istio's charts are kept.
	Charts charts.Store

	// fetch is another way to fetch charts, find another way to look for Istio, explain another way to say why pods do not
	// get ready, and hooks another way to register hooks, for tests.
	fetch   func(ctx context.Context, repository, version string, names ...string) error
	find    finder
	explain explainer
	hooks   hooks.Register
}

// Istio is the service mesh.
type Istio struct {
	pulumi.ResourceState

	// Ready is what to depend on: whatever does finds Istio's CRDs, a running istiod
	// that injects sidecars, and running gateways. Depending on the component would
	// not do: the SDK adds children to a component in the background, and a resource
	// that depends on it waits for those that it finds.
	Ready []pulumi.Resource
}

// New installs Istio on the cluster of the provider in opts. An Istio that is
// there and is not the stack's is never overwritten: the update fails before
// anything is written.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Istio, error) {
	if args == nil {
		return nil, errors.New("istio: args must not be nil")
	}
	c := &Istio{}
	if err := ctx.RegisterComponentResource(componentType, name, c, opts...); err != nil {
		return nil, fmt.Errorf("register component %s: %w", name, err)
	}

	first := []pulumi.ResourceOption{pulumi.Parent(c)}
	if args.Shared {
		only, err := args.onlyOurs(ctx)
		if err != nil {
			return nil, err
		}
		first = append(first, only)
	}
	system, err := corev1.NewNamespace(ctx, namespace, &corev1.NamespaceArgs{
		Metadata: metav1.ObjectMetaArgs{Name: pulumi.String(namespace)},
	}, first...)
	if err != nil {
		return nil, fmt.Errorf("register namespace %s: %w", namespace, err)
	}

	fetched := args.fetched(ctx, system)
	told, err := args.told(ctx, c)
	if err != nil {
		return nil, err
	}
	install := func(ch chart, after pulumi.Resource) (*release, error) {
		return newRelease(ctx, ch.release(args.Config, args.Charts),
			pulumi.Parent(c), pulumi.DependsOn([]pulumi.Resource{after}), pulumi.DependsOnInputs(fetched), told)
	}
	// The CRDs come first. Gateways need a ready istiod: it fills in their image
	// when their pods are created.
	base, istiod, ingress, egress := chartsOf(args)
	crds, err := install(base, system)
	if err != nil {
		return nil, err
	}
	controlPlane, err := install(istiod, crds)
	if err != nil {
		return nil, err
	}
	for _, gateway := range []chart{ingress, egress} {
		r, err := install(gateway, controlPlane)
		if err != nil {
			return nil, err
		}
		c.Ready = append(c.Ready, r)
	}

	if err := ctx.RegisterResourceOutputs(c, pulumi.Map{}); err != nil {
		return nil, fmt.Errorf("register outputs of %s: %w", name, err)
	}
	return c, nil
}

// fetched is what to depend on so as to come after the charts are there: nothing,
// as a resource. They are fetched after the namespace, so that what comes before
// the component is not held up by a chart repository that is down. (Not after the
// component: its children would wait for themselves.)
func (a *Args) fetched(ctx *pulumi.Context, namespace pulumi.Resource) pulumi.ResourceArrayInput {
	if isRegistry(a.Config.ChartRepository) {
		return pulumi.ResourceArray{}
	}
	fetch := a.fetch
	if fetch == nil {
		fetch = a.Charts.Fetch
	}
	base, istiod, gateway, _ := chartsOf(a)
	return namespace.URN().ApplyT(func(pulumi.URN) ([]pulumi.Resource, error) {
		return nil, fetch(ctx.Context(), a.Config.ChartRepository, a.Config.Version, base.chart, istiod.chart, gateway.chart)
	}).(pulumi.ResourceArrayOutput)
}
