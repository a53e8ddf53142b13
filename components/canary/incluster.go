package canary

import (
	"context"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/internal/release"
)

// written is the split, once the VirtualService is written. In a preview it is
// there at once.
func (b builder) written(virtualService pulumi.Resource) pulumi.MapOutput {
	split := split(b.args.Config)
	if b.ctx.DryRun() {
		return pulumi.ToMap(split).ToMapOutput()
	}
	return virtualService.URN().ApplyT(func(pulumi.URN) map[string]any { return split }).(pulumi.MapOutput)
}

// served is the split, once every proxy serves it and its subsets are ready. A
// canary that has no pods is switched off in between: not before the last proxy
// has stopped to send it requests.
func (b builder) served(virtualService pulumi.Resource, w workloads) (pulumi.Input, error) {
	say := b.voice(virtualService)
	if b.ctx.DryRun() {
		if w.off != nil {
			if _, err := b.deployment(*w.off, w, after(virtualService)); err != nil {
				return nil, err
			}
		}
		return b.written(virtualService), nil
	}
	done := b.inCluster(func(ctx context.Context, app live) error {
		return b.rollout.converge(ctx, app, say)
	}, virtualService.URN())
	ends := []pulumi.Output{done}
	if w.off != nil {
		off, err := b.deployment(*w.off, w, afterOutput(done, virtualService))
		if err != nil {
			return nil, err
		}
		ends = append(ends, off.URN())
	}
	finished := b.inCluster(func(ctx context.Context, app live) error {
		return b.rollout.finish(ctx, app, say)
	}, ends...)
	return finished.ApplyT(func(any) map[string]any { return split(b.args.Config) }), nil
}

// inCluster runs a function with the app in the running cluster once the outputs
// are known. Its own output has no meaningful value; it is an error when the
// function's is, and is not secret although the kubeconfig is.
func (b builder) inCluster(run func(context.Context, live) error, known ...pulumi.Output) pulumi.Output {
	inputs := []any{b.args.Kubeconfig}
	for _, output := range known {
		inputs = append(inputs, output)
	}
	return pulumi.Unsecret(pulumi.All(inputs...).ApplyTWithContext(b.ctx.Context(), func(ctx context.Context, values []any) (bool, error) {
		app, err := b.reach(values[0].(string))
		if err != nil {
			return false, err
		}
		return true, run(ctx, app)
	}))
}

// inHook runs a function with the app in the running cluster, in a hook.
func (b builder) inHook(run func(context.Context, live) error) error {
	kubeconfig, err := b.kubeconfig()
	if err != nil {
		return err
	}
	app, err := b.reach(kubeconfig)
	if err != nil {
		return err
	}
	return run(b.ctx.Context(), app)
}

func (b builder) reach(kubeconfig string) (live, error) {
	cfg := b.args.Config
	return b.connect(kubeconfig, b.args.Context, release.App{Namespace: cfg.Namespace, Name: cfg.Name, Host: cfg.Host})
}

// gatewayRuns makes the creation of a resource fail when an Istio that is not
// the stack's has no ingress gateway, so that nothing is left half done.
func (b builder) gatewayRuns() ([]pulumi.ResourceOption, error) {
	istio := b.args.Config.Istio
	if istio.Install {
		return nil, nil
	}
	checked, err := b.hooks.BeforeCreate(b.name+": ingress gateway", func() error {
		return b.inHook(func(ctx context.Context, app live) error { return app.gateway(ctx, istio.Gateway) })
	})
	if err != nil {
		return nil, err
	}
	return []pulumi.ResourceOption{checked}, nil
}

// guarded makes the write of the VirtualService fail unless the guard lets the
// split move. When nothing is to be written, there is nothing to guard.
func (b builder) guarded() (pulumi.ResourceOption, error) {
	// Beside the component: the VirtualService is not known to the program before
	// it is written.
	say := b.voice(b.component)
	return b.hooks.BeforeWrite(b.name+": guard", func() error {
		return b.inHook(func(ctx context.Context, app live) error {
			if err := b.rollout.guard(ctx, app, say); err != nil {
				return err
			}
			b.rollout.before.Store(app.look(ctx))
			return nil
		})
	})
}

// podsKeepStill makes the update of a subset's Deployment fail when it would
// change pods that the split in force sends requests to, and the wanted one
// fewer.
func (b builder) podsKeepStill(name, subset string) (pulumi.ResourceOption, error) {
	return b.hooks.BeforeUpdate(name+": two steps", func(update *pulumi.ResourceHookArgs) error {
		changes := podChanges(update.OldInputs, update.NewInputs)
		if len(changes) == 0 {
			return nil
		}
		return b.inHook(func(ctx context.Context, app live) error {
			return b.rollout.podsKeepStill(ctx, app, subset, changes)
		})
	})
}

// voice speaks beside a resource.
func (b builder) voice(beside pulumi.Resource) voice {
	return voice{
		progress: func(line string) {
			_ = b.ctx.Log.Info(line, &pulumi.LogArgs{Resource: beside, Ephemeral: true})
		},
		info: func(line string) { _ = b.ctx.Log.Info(line, &pulumi.LogArgs{Resource: beside}) },
		warn: func(line string) { _ = b.ctx.Log.Warn(line, &pulumi.LogArgs{Resource: beside}) },
	}
}

// afterOutput makes a resource come after others and after an output, which
// comes after them.
func afterOutput(output pulumi.Output, resources ...pulumi.Resource) pulumi.ResourceOption {
	return pulumi.DependsOnInputs(output.ApplyT(func(any) []pulumi.Resource { return resources }).(pulumi.ResourceArrayOutput))
}
