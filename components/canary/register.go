package canary

import (
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/internal/hooks"
)

// builder registers the component's children.
type builder struct {
	ctx       *pulumi.Context
	name      string
	args      *Args
	component *Canary
	rollout   rollout
	// connect and hooks are those of args, or the real ones.
	connect connect
	hooks   hooks.Register
	// kubeconfig waits for the kubeconfig; for hooks.
	kubeconfig func() (string, error)
}

func newBuilder(ctx *pulumi.Context, name string, args *Args, component *Canary) builder {
	b := builder{
		ctx: ctx, name: name, args: args, component: component, rollout: newRollout(args.Config),
		connect: args.connect, hooks: args.hooks, kubeconfig: hooks.Value(ctx, args.Kubeconfig),
	}
	if b.connect == nil {
		b.connect = connectCluster
	}
	if b.hooks == nil {
		b.hooks = hooks.Of(ctx)
	}
	return b
}

// workloads are what runs the app.
type workloads struct {
	namespace pulumi.Resource
	// policy is what refuses plain text; pods come after it.
	policy pulumi.Resource
	// all are these and the rest: what has to be written before traffic is routed.
	all []pulumi.Resource
	// off is the canary when it has no pods: its traffic ends before it does.
	off *subset
}

func (b builder) workloads() (workloads, error) {
	cfg := b.args.Config
	checked, err := b.gatewayRuns()
	if err != nil {
		return workloads{}, err
	}
	namespace, err := corev1.NewNamespace(b.ctx, b.name, namespaceArgs(cfg), append(checked, b.child())...)
	if err != nil {
		return workloads{}, fmt.Errorf("register namespace %s: %w", cfg.Namespace, err)
	}
	policy, err := b.customResource(istioObject{version: securityVersion, kind: "PeerAuthentication", name: "default", spec: strictMTLS()},
		after(namespace))
	if err != nil {
		return workloads{}, err
	}
	service, err := corev1.NewService(b.ctx, b.name, serviceArgs(cfg), b.child(), after(namespace))
	if err != nil {
		return workloads{}, fmt.Errorf("register service %s: %w", cfg.Name, err)
	}
	w := workloads{namespace: namespace, policy: policy, all: []pulumi.Resource{namespace, policy, service}}

	stable, canary := subsetsOf(cfg)
	for _, s := range []subset{stable, canary} {
		if s.replicas == 0 {
			w.off = &s
			continue
		}
		deployment, err := b.deployment(s, w)
		if err != nil {
			return workloads{}, err
		}
		w.all = append(w.all, deployment)
	}
	return w, nil
}

func (b builder) deployment(s subset, w workloads, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	cfg, name := b.args.Config, b.name+"-"+s.name
	needs := []pulumi.Resource{w.namespace, w.policy}
	fail := func(err error) error { return fmt.Errorf("register the workload of subset %s: %w", s.name, err) }
	if s.example {
		configMap, err := corev1.NewConfigMap(b.ctx, name, configMapArgs(cfg, s), b.child(), after(w.namespace))
		if err != nil {
			return nil, fail(err)
		}
		needs = append(needs, configMap)
	}
	still, err := b.podsKeepStill(name, s.name)
	if err != nil {
		return nil, fail(err)
	}
	deployment, err := apiextensions.NewCustomResource(b.ctx, name, deploymentArgs(cfg, s), append(opts, b.child(), after(needs...), still)...)
	if err != nil {
		return nil, fail(err)
	}
	return deployment, nil
}

// routing registers what leads traffic to the workloads, the split last: a proxy
// must know a subset before it gets a route to it. Removal goes the other way
// round: first the split, then the subsets, then what they lead to.
func (b builder) routing(w workloads) (pulumi.Resource, error) {
	cfg := b.args.Config
	gateway, err := b.customResource(routingObject(cfg, "Gateway", gatewaySpec(cfg)), after(w.namespace))
	if err != nil {
		return nil, err
	}
	destinationRule, err := b.customResource(routingObject(cfg, "DestinationRule", destinationRuleSpec(cfg)), after(w.all...))
	if err != nil {
		return nil, err
	}
	guarded, err := b.guarded()
	if err != nil {
		return nil, err
	}
	split := routingObject(cfg, "VirtualService", virtualServiceSpec(cfg))
	return b.customResource(split, after(w.all...), after(gateway, destinationRule), guarded)
}

func (b builder) customResource(o istioObject, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	args, err := o.args(b.args.Config)
	if err != nil {
		return nil, err
	}
	r, err := apiextensions.NewCustomResource(b.ctx, b.name, args, append(opts, b.child())...)
	if err != nil {
		return nil, fmt.Errorf("register %s %s: %w", o.kind, o.name, err)
	}
	return r, nil
}

func (b builder) child() pulumi.ResourceOption { return pulumi.Parent(b.component) }

func after(resources ...pulumi.Resource) pulumi.ResourceOption { return pulumi.DependsOn(resources) }
