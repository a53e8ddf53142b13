package canary

import (
	"errors"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/internal/config"
	"canary/internal/hooks"
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
}

// Canary is an app in two subsets with a split between them.
type Canary struct {
	pulumi.ResourceState

	// URL is where ingress traffic reaches the app.
	URL pulumi.StringOutput `pulumi:"url"`
	// Split is the percentage of each subset.
	Split pulumi.MapOutput `pulumi:"split"`
	// VirtualService is the object that holds the split, as namespace/name.
	VirtualService pulumi.StringOutput `pulumi:"virtualService"`
}

// New registers the app on the cluster of the provider in opts. Istio has to be
// there: depend on it. In an update, resources of the stack that depend on the
// component wait until every proxy serves the split.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Canary, error) {
	if args == nil || args.Config == nil || args.Kubeconfig == nil {
		return nil, errors.New("canary: args, its config and its kubeconfig must not be nil")
	}
	c := &Canary{}
	if err := ctx.RegisterComponentResource(componentType, name, c, opts...); err != nil {
		return nil, fmt.Errorf("register component %s: %w", name, err)
	}
	b := newBuilder(ctx, name, args, c)
	workloads, err := b.workloads()
	if err != nil {
		return nil, err
	}
	virtualService, err := b.routing(workloads)
	if err != nil {
		return nil, err
	}
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

// url is where ingress traffic reaches the app. The port is that of this machine
// which leads into a k3d cluster; an existing cluster has its own way in.
func url(c *config.Config) string {
	const defaultPort = 80
	if c.Cluster.Provider == config.ProviderExisting || c.Cluster.HTTPPort == defaultPort {
		return "http://" + c.Host
	}
	return fmt.Sprintf("http://%s:%d", c.Host, c.Cluster.HTTPPort)
}

// split is the percentage of each subset.
func split(c *config.Config) map[string]any {
	const onePercent, all = 100, 10_000
	return map[string]any{
		stableSubset: float64(all-c.CanaryWeight) / onePercent,
		canarySubset: float64(c.CanaryWeight) / onePercent,
	}
}
