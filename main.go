// The Pulumi program: a cluster, Istio in it, and an app in two versions whose
// traffic is split as the stack's configuration says.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/components/canary"
	"canary/components/cluster"
	"canary/components/istio"
	"canary/internal/charts"
	"canary/internal/config"
	"canary/internal/release"
)

// chartsDir is where Istio's charts are kept, in the project's own folder. The
// path is relative, since it is part of the state: it is the same in every checkout.
const chartsDir = ".canary/charts"

func main() {
	pulumi.Run(program)
}

func program(ctx *pulumi.Context) error {
	cfg, err := config.Load(ctx)
	if err != nil {
		return err
	}

	if err := canary.Check(cfg); err != nil {
		return err
	}

	kubernetes, err := cluster.New(ctx, "cluster", &cluster.Args{
		Config: cfg.Cluster, StackName: ctx.Stack(), AppPods: cfg.StableReplicas + cfg.CanaryReplicas,
	})
	if err != nil {
		return err
	}
	appArgs := &canary.Args{Config: cfg, Kubeconfig: kubernetes.Kubeconfig, Context: kubernetes.Context}
	// Nothing below may hold up a roll back.
	ground, err := canary.RollBackFirst(ctx, appArgs, kubernetes.Ready)
	if err != nil {
		return err
	}
	// What stands on the ground goes when the stack's own cluster goes, so that it
	// can be destroyed while the cluster does not answer.
	var mesh []pulumi.Resource
	onGround := func() []pulumi.ResourceOption {
		return []pulumi.ResourceOption{
			pulumi.Provider(kubernetes.Provider), pulumi.DeletedWith(kubernetes.Owned), pulumi.DependsOnInputs(ground), pulumi.DependsOn(mesh),
		}
	}

	if cfg.Istio.Install {
		installed, err := istio.New(ctx, "istio", &istio.Args{
			Config: cfg.Istio, DrainSeconds: cfg.DrainSeconds, Charts: charts.Store{Dir: chartsDir},
			Kubeconfig: kubernetes.Kubeconfig, Context: kubernetes.Context, Shared: kubernetes.Owned == nil,
		}, onGround()...)
		if err != nil {
			return err
		}
		mesh = installed.Ready
	}

	app, err := canary.New(ctx, "app", appArgs, onGround()...)
	if err != nil {
		return err
	}

	if err := kubernetes.GuardDestroy(append(app.Last, mesh...)...); err != nil {
		return err
	}

	ctx.Export("url", app.URL)
	ctx.Export("hosts", pulumi.ToStringArray(cfg.Hosts))
	ctx.Export("split", app.Split)
	ctx.Export("certificate", pulumi.String(cfg.TLS.Certificate))
	ctx.Export("virtualService", app.VirtualService)
	ctx.Export("clusterProvider", pulumi.String(cfg.Cluster.Provider))
	ctx.Export("kubeconfig", kubernetes.Kubeconfig)
	if extras := canary.Extras(cfg); extras != (release.Extras{}) {
		ctx.Export("extras", pulumi.Map{
			"canaryHeader": pulumi.String(extras.Header), "mirrorPercent": pulumi.Float64(extras.Mirrored), "stickyCookie": pulumi.String(extras.Cookie),
		})
	}
	if cfg.Promotion != "" {
		ctx.Export("promotion", pulumi.JSONUnmarshal(pulumi.String(cfg.Promotion).ToStringOutput()))
	}
	return nil
}
