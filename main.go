// The Pulumi program: a cluster, Istio in it, and an app in two versions whose
// traffic is split as the stack's configuration says.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/components/canary"
	"canary/components/cluster"
	"canary/components/istio"
	"canary/internal/config"
)

func main() {
	pulumi.Run(program)
}

func program(ctx *pulumi.Context) error {
	cfg, err := config.Load(ctx)
	if err != nil {
		return err
	}

	kubernetes, err := cluster.New(ctx, "cluster", &cluster.Args{Config: cfg.Cluster, StackName: ctx.Stack()})
	if err != nil {
		return err
	}
	ground := kubernetes.Ready
	// What stands on the ground goes when the stack's own cluster goes, so that it
	// can be destroyed while the cluster does not answer.
	onGround := func() []pulumi.ResourceOption {
		return []pulumi.ResourceOption{
			pulumi.Provider(kubernetes.Provider), pulumi.DeletedWith(kubernetes.Owned), pulumi.DependsOn(ground),
		}
	}

	if cfg.Istio.Install {
		args := &istio.Args{Config: cfg.Istio, DrainSeconds: cfg.DrainSeconds}
		if kubernetes.Owned == nil {
			args.Kubeconfig, args.Context = kubernetes.Kubeconfig, kubernetes.Context
		}
		mesh, err := istio.New(ctx, "istio", args, onGround()...)
		if err != nil {
			return err
		}
		ground = append(ground, mesh.Ready...)
	}

	app, err := canary.New(ctx, "app", &canary.Args{
		Config: cfg, Kubeconfig: kubernetes.Kubeconfig, Context: kubernetes.Context,
	}, onGround()...)
	if err != nil {
		return err
	}

	ctx.Export("url", app.URL)
	ctx.Export("split", app.Split)
	ctx.Export("virtualService", app.VirtualService)
	ctx.Export("clusterProvider", pulumi.String(cfg.Cluster.Provider))
	ctx.Export("kubeconfig", kubernetes.Kubeconfig)
	return nil
}
