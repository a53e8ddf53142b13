package canary

import (
	"errors"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/internal/config"
	"canary/internal/hooks"
	"canary/internal/release"
)

const componentType = "canary:app:Canary"

// Args are the arguments of New.
type Args struct {
	// Config is the whole configuration of the stack.
	Config *config.Config
	// Kubeconfig is the content of a kubeconfig, and Context the name of one of its
	// contexts ("" is the current one). The running cluster is read with them.
	Kubeconfig pulumi.StringInput
	Context    string

	// connect is another way to the running cluster, and hooks another way to
	// register hooks, for tests.
	connect connect
	hooks   hooks.Register

	// session is made by the first phase.
	session *session
}

func (a *Args) check() error {
	if a == nil || a.Config == nil || a.Kubeconfig == nil {
		return errors.New("canary: args, its config and its kubeconfig must not be nil")
	}
	return nil
}

// Canary is an app in two subsets with a split between them.
type Canary struct {
	pulumi.ResourceState

	// URL is where ingress traffic reaches the app, by its first host.
	URL pulumi.StringOutput `pulumi:"url"`
	// Split is the percentage of each subset.
	Split pulumi.MapOutput `pulumi:"split"`
	// VirtualService is the object that holds the split, as namespace/name.
	VirtualService pulumi.StringOutput `pulumi:"virtualService"`
	// Last are the objects that no other of the app depends on: what depends on them is removed before any of the app.
	Last []pulumi.Resource
}

// New registers the app on the cluster of the provider in opts. Istio has to be
// there: depend on it. In an update, resources of the stack that depend on the
// component wait until every proxy serves the split.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Canary, error) {
	if err := args.check(); err != nil {
		return nil, err
	}
	c := &Canary{}
	if err := ctx.RegisterComponentResource(componentType, name, c, opts...); err != nil {
		return nil, fmt.Errorf("register component %s: %w", name, err)
	}
	phases, err := newPhases(ctx, name, args)
	if err != nil {
		return nil, err
	}
	created, err := phases.nobodyElses()
	if err != nil {
		return nil, err
	}
	b := builder{ctx: ctx, name: name, args: args, component: c, phases: phases, created: created}
	workloads, err := b.workloads()
	if err != nil {
		return nil, err
	}
	virtualService, err := b.routing(workloads)
	if err != nil {
		return nil, err
	}
	c.Last = []pulumi.Resource{virtualService}
	served, err := b.served(virtualService, workloads)
	if err != nil {
		return nil, err
	}

	cfg := args.Config
	c.URL = pulumi.String(url(cfg)).ToStringOutput()
	c.VirtualService = pulumi.String(cfg.Namespace + "/" + cfg.Name).ToStringOutput()
	c.Split = b.written(virtualService)
	err = ctx.RegisterResourceOutputs(c, pulumi.Map{
		"url":            c.URL,
		"split":          served,
		"virtualService": c.VirtualService,
	})
	if err != nil {
		return nil, fmt.Errorf("register outputs of %s: %w", name, err)
	}
	return c, nil
}

// RollBackFirst takes weight from the canary, when the configuration gives it
// less than the split in force does, before anything else of the stack is
// touched: what is wrong with another resource, a chart repository or an image
// must not hold a roll back up. The update then goes on and records the split
// with the VirtualService, as every other. after is what to depend on so as to
// come later: the resources needed, once the split is safe. Nothing is done in a
// preview.
func RollBackFirst(ctx *pulumi.Context, args *Args, needed []pulumi.Resource) (after pulumi.ResourceArrayInput, err error) {
	if err := args.check(); err != nil {
		return nil, err
	}
	if ctx.DryRun() {
		return pulumi.NewResourceArray(needed...), nil
	}
	phases, err := newPhases(ctx, "roll back", args)
	if err != nil {
		return nil, err
	}
	return phases.rollBack().ApplyT(func(any) []pulumi.Resource { return needed }).(pulumi.ResourceArrayOutput), nil
}

// url is where ingress traffic reaches the app, by its first host. The port is that of this machine
// which leads into a k3d cluster; an existing cluster has its own way in.
func url(c *config.Config) string {
	scheme, port, usual := "http", c.Cluster.HTTPPort, 80
	if c.TLS.On() {
		scheme, port, usual = "https", c.Cluster.HTTPSPort, 443
	}
	if c.Cluster.Provider == config.ProviderExisting || port == usual || port == 0 {
		return scheme + "://" + c.Hosts[0]
	}
	return fmt.Sprintf("%s://%s:%d", scheme, c.Hosts[0], port)
}

// split is the percentage of each subset.
func split(c *config.Config) map[string]any {
	const onePercent, all = 100, 10_000
	return map[string]any{
		release.Stable: float64(all-c.CanaryWeight) / onePercent,
		release.Canary: float64(c.CanaryWeight) / onePercent,
	}
}
