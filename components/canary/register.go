package canary

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/internal/dataplane"
)

// builder registers the component's children.
type builder struct {
	ctx       *pulumi.Context
	name      string
	args      *Args
	component *Canary
	rollout   rollout
}

// workloads registers what runs the app, and returns what has to be written
// before traffic is routed to it.
func (b builder) workloads() ([]pulumi.Resource, error) {
	cfg := b.args.Config
	namespace, err := corev1.NewNamespace(b.ctx, b.name, namespaceArgs(cfg), b.child())
	if err != nil {
		return nil, fmt.Errorf("register namespace %s: %w", cfg.Namespace, err)
	}
	service, err := corev1.NewService(b.ctx, b.name, serviceArgs(cfg), b.child(), after(namespace))
	if err != nil {
		return nil, fmt.Errorf("register service %s: %w", cfg.Name, err)
	}
	registered := []pulumi.Resource{namespace, service}

	stable, canary := subsetsOf(cfg)
	for _, s := range []subset{stable, canary} {
		deployment, err := b.deployment(s, namespace)
		if err != nil {
			return nil, fmt.Errorf("register the workload of subset %s: %w", s.name, err)
		}
		registered = append(registered, deployment)
	}
	return registered, nil
}

func (b builder) deployment(s subset, namespace pulumi.Resource) (pulumi.Resource, error) {
	cfg, name := b.args.Config, b.name+"-"+s.name
	needs := []pulumi.Resource{namespace}
	if s.example {
		configMap, err := corev1.NewConfigMap(b.ctx, name, configMapArgs(cfg, s), b.child(), after(namespace))
		if err != nil {
			return nil, err
		}
		needs = append(needs, configMap)
	}
	return appsv1.NewDeployment(b.ctx, name, deploymentArgs(cfg, s), b.child(), after(needs...))
}

// routing registers what leads traffic to the workloads, the split last: a proxy
// must know a subset before it gets a route to it.
func (b builder) routing(workloads []pulumi.Resource) (pulumi.Resource, error) {
	cfg := b.args.Config
	gateway, err := b.customResource("Gateway", gatewaySpec(cfg), nil, after(workloads[0]))
	if err != nil {
		return nil, err
	}
	destinationRule, err := b.customResource("DestinationRule", destinationRuleSpec(cfg), nil, after(workloads[0]))
	if err != nil {
		return nil, err
	}
	return b.customResource("VirtualService", virtualServiceSpec(cfg), map[string]string{patchForce: "true"},
		after(gateway, destinationRule), b.guarded(workloads))
}

func (b builder) customResource(kind string, spec json.Marshaler, annotations map[string]string, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	args, err := customResourceArgs(b.args.Config, kind, spec, annotations)
	if err != nil {
		return nil, err
	}
	r, err := apiextensions.NewCustomResource(b.ctx, b.name, args, append(opts, b.child())...)
	if err != nil {
		return nil, fmt.Errorf("register %s %s: %w", kind, b.args.Config.Name, err)
	}
	return r, nil
}

// guarded makes a resource wait for the workloads to be written and, in an
// update, for the guard.
func (b builder) guarded(workloads []pulumi.Resource) pulumi.ResourceOption {
	if b.ctx.DryRun() {
		return after(workloads...)
	}
	guarded := b.inCluster(workloads, func(ctx context.Context, app live) error {
		return b.rollout.guard(ctx, app, b.report(b.component))
	}).ApplyT(func(any) []pulumi.Resource { return workloads }).(pulumi.ResourceArrayOutput)
	return pulumi.DependsOnInputs(guarded)
}

// written is the split, once the VirtualService is written. In a preview it is
// there at once.
func (b builder) written(virtualService pulumi.Resource) pulumi.MapOutput {
	split := split(b.args.Config)
	if b.ctx.DryRun() {
		return pulumi.ToMap(split).ToMapOutput()
	}
	return virtualService.URN().ApplyT(func(pulumi.URN) map[string]any { return split }).(pulumi.MapOutput)
}

// served is the split, once every proxy serves it and its subsets are ready.
func (b builder) served(virtualService pulumi.Resource) pulumi.Input {
	if b.ctx.DryRun() {
		return b.written(virtualService)
	}
	finished := b.inCluster([]pulumi.Resource{virtualService}, func(ctx context.Context, app live) error {
		return b.rollout.finish(ctx, app, b.report(virtualService), func(line string) {
			_ = b.ctx.Log.Info(line, &pulumi.LogArgs{Resource: virtualService})
		})
	})
	return finished.ApplyT(func(any) map[string]any { return split(b.args.Config) })
}

// inCluster runs a function with the app in the running cluster once the
// resources are written. Its output has no meaningful value; it is an error when
// the function's is, and is not secret although the kubeconfig is.
func (b builder) inCluster(written []pulumi.Resource, run func(context.Context, live) error) pulumi.Output {
	inputs := []any{b.args.Kubeconfig}
	for _, r := range written {
		inputs = append(inputs, r.URN())
	}
	connect := b.args.connect
	if connect == nil {
		connect = connectCluster
	}
	cfg := b.args.Config
	return pulumi.Unsecret(pulumi.All(inputs...).ApplyTWithContext(b.ctx.Context(), func(ctx context.Context, values []any) (bool, error) {
		app, err := connect(values[0].(string), b.args.Context, dataplane.App{Namespace: cfg.Namespace, Name: cfg.Name, Host: cfg.Host})
		if err != nil {
			return false, err
		}
		return true, run(ctx, app)
	}))
}

// report shows progress beside a resource, until the next line.
func (b builder) report(beside pulumi.Resource) func(string) {
	return func(line string) {
		_ = b.ctx.Log.Info(line, &pulumi.LogArgs{Resource: beside, Ephemeral: true})
	}
}

func (b builder) child() pulumi.ResourceOption { return pulumi.Parent(b.component) }

func after(resources ...pulumi.Resource) pulumi.ResourceOption { return pulumi.DependsOn(resources) }
