// Package cluster gives the Kubernetes cluster that everything else is installed in, and the provider for it: a k3d
// cluster on this machine that the stack owns, or a cluster that exists already.
//
// The k3d cluster is made by the scripts in scripts/, run as Commands. Pulumi does not look at what a Command made, and
// a Command that is killed leaves no record; hence the order of its parts:
//
//   - The identity is a random id, registered first. Its delete is what removes the cluster, so that whatever a create
//     left behind is found and removed, by that id and by nothing else.
//   - The cluster is made with the id on each of its containers. It has no delete and no triggers: other settings never
//     replace a living cluster.
//   - The number of its agents is kept by a Command of its own, in place.
//   - The kubeconfig is read by a Command of its own, whose inputs change only with the cluster.
package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/internal/config"
	"canary/internal/leftover"
)

// Type is the component's type token.
const Type = "canary:cluster:Cluster"

// Args are the settings of a cluster.
type Args struct {
	// Config says which cluster it is.
	Config config.Cluster
	// StackName is written on the k3d cluster, so that another stack that wants the name can say whose it is.
	StackName string
	// AppPods is how many pods the app has in all, by which a k3d cluster's engine is asked for its room.
	AppPods int

	// temp is another folder for temporary files, for tests.
	temp string
}

// Cluster is a Kubernetes cluster and the provider for what is installed in it.
type Cluster struct {
	pulumi.ResourceState

	// Provider knows this cluster only: nothing is read from the user's own kubeconfig.
	Provider *kubernetes.Provider
	// Kubeconfig is secret; its current context is Context.
	Kubeconfig pulumi.StringOutput `pulumi:"kubeconfig"`
	// Context is the name of the context in Kubeconfig.
	Context string
	// Ready is what to depend on before anything is installed: the cluster answers and the imported images are there.
	// Depending on the component would not do: the SDK adds children to a component in the background, and a resource
	// that depends on it waits for those that it finds.
	Ready []pulumi.Resource
	// Owned is what resources in the cluster are DeletedWith; nil when the cluster is not the stack's.
	Owned pulumi.Resource

	// guard is nil when the cluster is not the stack's.
	guard func(after []pulumi.Resource) error
}

// GuardDestroy makes a destroy of the stack's own cluster begin with the question whether docker talks to the engine
// that it lives on, before any other resource is gone from the state. To be called last, with all that is in the cluster.
func (c *Cluster) GuardDestroy(after ...pulumi.Resource) error {
	if c.guard == nil {
		return nil
	}
	if err := c.guard(after); err != nil {
		return fmt.Errorf("register the guard of the cluster's engine: %w", err)
	}
	return nil
}

// New registers the cluster. It fails before anything is registered when the settings cannot work: an unknown provider,
// or a kubeconfig that cannot be read or has no such context.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Cluster, error) {
	if args == nil {
		return nil, errors.New("cluster: args are missing")
	}
	var fill func(*pulumi.Context, string, *Cluster) error
	switch args.Config.Provider {
	case config.ProviderK3d:
		spec, err := newK3dSpec(args.Config, args.StackName, args.AppPods)
		if err != nil {
			return nil, fmt.Errorf("cluster: %w", err)
		}
		fill = spec.register
	case config.ProviderExisting:
		kubeconfig, contextName, err := loadKubeconfig(args.Config.Kubeconfig, args.Config.Context)
		if err != nil {
			return nil, fmt.Errorf("cluster: %w", err)
		}
		fill = func(_ *pulumi.Context, _ string, c *Cluster) error {
			c.Kubeconfig = secret(pulumi.String(kubeconfig))
			c.Context = contextName
			return nil
		}
	default:
		return nil, fmt.Errorf("cluster: clusterProvider is %q: allowed are %s, %s",
			args.Config.Provider, config.ProviderK3d, config.ProviderExisting)
	}

	c := &Cluster{}
	if err := ctx.RegisterComponentResource(Type, name, c, opts...); err != nil {
		return nil, fmt.Errorf("register the cluster %s: %w", name, err)
	}
	if err := fill(ctx, name, c); err != nil {
		return nil, err
	}

	// A destroy does not run the program, so a Command removes what the provider leaves. The provider depends on it, so that
	// it is deleted last, when the provider was ended.
	leftovers, err := local.NewCommand(ctx, name+"-leftovers", &local.CommandArgs{
		Delete: pulumi.String("sh scripts/cluster-leftovers.sh"),
		Stdin:  c.Kubeconfig,
	}, pulumi.Parent(c))
	if err != nil {
		return nil, fmt.Errorf("register the removal of what the provider of the cluster %s leaves: %w", name, err)
	}

	// Without an identifier any change of the kubeconfig, or one unknown in a preview, would replace the provider and
	// every resource with it. It is a plain string, so that it is known in every preview.
	identifier := c.Context
	if args.Config.Provider == config.ProviderK3d {
		identifier = args.Config.Name
	}
	provider, err := kubernetes.NewProvider(ctx, name, &kubernetes.ProviderArgs{
		// Else the provider deletes one, and makes it anew, when its data change: a pod that
		// starts in between has none, and a gateway no certificate.
		EnableSecretMutable:    pulumi.Bool(true),
		EnableConfigMapMutable: pulumi.Bool(true),
		Kubeconfig:             c.Kubeconfig,
		Context:                pulumi.String(c.Context),
		ClusterIdentifier:      pulumi.String(identifier),
	}, pulumi.Parent(c), pulumi.DependsOn([]pulumi.Resource{leftovers}))
	if err != nil {
		return nil, fmt.Errorf("register the provider of the cluster %s: %w", name, err)
	}
	c.Provider = provider
	removeLeftovers(ctx, c, cmp.Or(args.temp, os.TempDir()))

	if err := ctx.RegisterResourceOutputs(c, pulumi.Map{"kubeconfig": c.Kubeconfig}); err != nil {
		return nil, fmt.Errorf("register the outputs of the cluster %s: %w", name, err)
	}
	return c, nil
}

// removeLeftovers removes the files with the kubeconfig that the provider leaves in a folder. Those of this run are there
// once it is configured, and a function of it is answered only then, in a preview, too, and when no cluster answers.
// Nothing waits for it and it fails nothing.
func removeLeftovers(ctx *pulumi.Context, c *Cluster, folder string) {
	configured := ctx.InvokeOutput("kubernetes:yaml:decode", map[string]string{"text": ""}, pulumi.AnyOutput{},
		pulumi.InvokeOutputOptions{InvokeOptions: []pulumi.InvokeOption{pulumi.Provider(c.Provider)}})
	pulumi.All(c.Kubeconfig, configured).ApplyT(func(known []any) error {
		if err := leftover.Remove(folder, known[0].(string)); err != nil {
			return ctx.Log.Warn(err.Error(), nil)
		}
		return nil
	})
}

func secret(text pulumi.StringInput) pulumi.StringOutput {
	return pulumi.ToSecret(text).(pulumi.StringOutput)
}
