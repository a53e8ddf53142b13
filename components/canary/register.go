package canary

import (
	"fmt"
	"slices"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/internal/config"
)

// builder registers the component's children, each between the phases of the
// rollout that come before and after it.
type builder struct {
	ctx       *pulumi.Context
	name      string
	args      *Args
	component *Canary
	phases    phases
	// created keeps an object of somebody else from being taken over.
	created pulumi.ResourceOption
}

// workloads are what runs the app.
type workloads struct {
	// first is what all others come after.
	first pulumi.Resource
	// needed are what pods come after.
	needed []pulumi.Resource
	// all are these and the rest: what has to be written before traffic is routed.
	all []pulumi.Resource
	// off is the canary when it has no pods: its traffic ends before it does.
	off *subset
}

func (b builder) workloads() (workloads, error) {
	checked, err := b.phases.gatewayRuns()
	if err != nil {
		return workloads{}, err
	}
	ground := b.ownNamespace
	if !b.args.Config.CreateNamespace {
		ground = b.othersNamespace
	}
	w, err := ground(checked)
	if err != nil {
		return workloads{}, err
	}
	stable, canary := subsetsOf(b.args.Config)
	for _, s := range []subset{stable, canary} {
		if s.pods.Max == 0 {
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

// ownNamespace registers the namespace, its policy and the Service; first are options of
// what is created first.
func (b builder) ownNamespace(first []pulumi.ResourceOption) (workloads, error) {
	if b.args.Config.Cluster.Provider == config.ProviderExisting {
		// In a cluster of the stack's it is at most a remainder of an update that was killed.
		first = append(first, b.created)
	}
	namespace, err := corev1.NewNamespace(b.ctx, b.name, namespaceArgs(b.args.Config), append(first, b.child())...)
	if err != nil {
		return workloads{}, fmt.Errorf("register namespace %s: %w", b.args.Config.Namespace, err)
	}
	policy, err := b.customResource(strictMTLS(), after(namespace))
	if err != nil {
		return workloads{}, err
	}
	service, err := b.service(after(namespace))
	if err != nil {
		return workloads{}, err
	}
	return workloads{first: namespace, needed: []pulumi.Resource{namespace, policy}, all: []pulumi.Resource{namespace, policy, service}}, nil
}

// othersNamespace registers the Service, and lets go of a namespace that the stack may
// have made before: what is read is not Pulumi's, and a resource of the same name that
// was is not deleted but forgotten. Without it Pulumi would delete the namespace, with
// all that is in it.
func (b builder) othersNamespace(first []pulumi.ResourceOption) (workloads, error) {
	checked, err := b.phases.namespaceTakesPods(b.component)
	if err != nil {
		return workloads{}, err
	}
	service, err := b.service(append(first, checked)...)
	if err != nil {
		return workloads{}, err
	}
	// GetNamespace would leave the inputs out, so that every refresh shows them as a change.
	inputs := pulumi.Map{
		"apiVersion": pulumi.String("v1"), "kind": pulumi.String(kindNamespace), "metadata": pulumi.StringMap{"name": pulumi.String(b.args.Config.Namespace)},
	}
	err = b.ctx.ReadResource("kubernetes:core/v1:Namespace", b.name, b.phases.namespaceThere(), inputs, &corev1.Namespace{}, b.child(), after(service))
	if err != nil {
		return workloads{}, fmt.Errorf("read namespace %s: %w", b.args.Config.Namespace, err)
	}
	return workloads{first: service, needed: []pulumi.Resource{service}, all: []pulumi.Resource{service}}, nil
}

func (b builder) service(opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	service, err := corev1.NewService(b.ctx, b.name, serviceArgs(b.args.Config), append(opts, b.child())...)
	if err != nil {
		return nil, fmt.Errorf("register service %s: %w", b.args.Config.Name, err)
	}
	return service, nil
}

func (b builder) deployment(s subset, w workloads, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	cfg, name := b.args.Config, b.name+"-"+s.name
	needs := slices.Clone(w.needed)
	fail := func(err error) error { return fmt.Errorf("register the workload of subset %s: %w", s.name, err) }
	if s.example {
		configMap, err := corev1.NewConfigMap(b.ctx, name, configMapArgs(cfg, s), b.child(), after(w.first))
		if err != nil {
			return nil, fail(err)
		}
		needs = append(needs, configMap)
	}
	if len(s.secretEnv()) > 0 {
		secret, err := corev1.NewSecret(b.ctx, name, secretArgs(cfg, s), b.child(), after(w.first))
		if err != nil {
			return nil, fail(err)
		}
		needs = append(needs, secret)
	}
	still, err := b.phases.podsKeepStill(name, s.name)
	if err != nil {
		return nil, fail(err)
	}
	object, err := deployment(cfg, s)
	if err != nil {
		return nil, fail(err)
	}
	opts = append(opts, after(needs...), still)
	if s.pods.Autoscaled() {
		opts = append(opts, pulumi.IgnoreChanges([]string{"spec.replicas"}))
	}
	registered, err := b.object("kubernetes:apps/v1:Deployment", name, object, opts...)
	if err != nil {
		return nil, fail(err)
	}
	if s.pods.Autoscaled() {
		started, err := b.phases.started(name, s)
		if err != nil {
			return nil, fail(err)
		}
		if _, err := b.object("kubernetes:autoscaling/v2:HorizontalPodAutoscaler", name, autoscaler(cfg, s), after(registered), started); err != nil {
			return nil, fail(err)
		}
	}
	return registered, nil
}

// routing registers what leads traffic to the workloads, the split last: a proxy
// must know a subset before it gets a route to it. Removal goes the other way
// round: first the split, then the subsets, then what they lead to.
func (b builder) routing(w workloads) (pulumi.Resource, error) {
	cfg := b.args.Config
	needs := []pulumi.Resource{w.first}
	if cfg.TLS.Certificate != "" {
		secret, err := corev1.NewSecret(b.ctx, b.name+"-tls", tlsSecretArgs(cfg), b.child(), after(w.first))
		if err != nil {
			return nil, fmt.Errorf("register secret %s/%s: %w", cfg.Istio.Namespace, tlsSecretName(cfg), err)
		}
		needs = append(needs, secret)
	}
	// Before the Gateway, so that no request by HTTP is served in between.
	for _, object := range redirectObjects(cfg) {
		redirect, err := b.customResource(object, after(w.first))
		if err != nil {
			return nil, err
		}
		needs = append(needs, redirect)
	}
	gateway, err := b.customResource(gatewayObject(cfg), after(needs...))
	if err != nil {
		return nil, err
	}
	destinationRule, err := b.customResource(destinationRuleObject(cfg), after(w.all...))
	if err != nil {
		return nil, err
	}
	before := []pulumi.Resource{gateway, destinationRule}
	if cfg.StickyCookie != "" {
		envoyFilter, err := b.customResource(envoyFilterObject(cfg), after(needs...))
		if err != nil {
			return nil, err
		}
		before = append(before, envoyFilter)
	}
	guarded, err := b.phases.guarded(b.component)
	if err != nil {
		return nil, err
	}
	return b.customResource(virtualServiceObject(cfg), after(w.all...), after(before...), guarded)
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

// served is the split, once every proxy serves it and its subsets are ready. A
// canary that has no pods is switched off in between: not before the last proxy
// has stopped to send it requests.
func (b builder) served(virtualService pulumi.Resource, w workloads) (pulumi.Input, error) {
	if b.ctx.DryRun() {
		if w.off != nil {
			off, err := b.deployment(*w.off, w, after(virtualService))
			if err != nil {
				return nil, err
			}
			b.component.Last = append(b.component.Last, off)
		}
		return b.written(virtualService), nil
	}
	converged := b.phases.converged(virtualService)
	ends := []pulumi.Output{converged}
	if w.off != nil {
		off, err := b.deployment(*w.off, w, afterOutput(converged, virtualService))
		if err != nil {
			return nil, err
		}
		ends = append(ends, off.URN())
		b.component.Last = append(b.component.Last, off)
	}
	finished := b.phases.finished(virtualService, ends...)
	return finished.ApplyT(func(any) map[string]any { return split(b.args.Config) }), nil
}

func (b builder) customResource(o istioObject, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	args, err := o.args(b.args.Config)
	if err != nil {
		return nil, err
	}
	r, err := apiextensions.NewCustomResource(b.ctx, b.name+o.suffix, args, append(opts, b.child())...)
	if err != nil {
		return nil, fmt.Errorf("register %s %s: %w", o.kind, o.name, err)
	}
	return r, nil
}

// object registers one of Kubernetes' own types.
func (b builder) object(token, name string, object any, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	fields, err := fieldsOf(object)
	if err != nil {
		return nil, err
	}
	type kubernetesObject struct{ pulumi.CustomResourceState }
	registered := new(kubernetesObject)
	if err := b.ctx.RegisterResource(token, name, pulumi.ToMap(fields), registered, append(opts, b.child())...); err != nil {
		return nil, err
	}
	return registered, nil
}

// child are the options of each object. In a namespace of the stack's nobody else has
// made any.
func (b builder) child() pulumi.ResourceOption {
	if b.args.Config.CreateNamespace {
		return pulumi.Parent(b.component)
	}
	return pulumi.Composite(pulumi.Parent(b.component), b.created)
}

func after(resources ...pulumi.Resource) pulumi.ResourceOption { return pulumi.DependsOn(resources) }

// afterOutput makes a resource come after others and after an output, which
// comes after them.
func afterOutput(output pulumi.Output, resources ...pulumi.Resource) pulumi.ResourceOption {
	return pulumi.DependsOnInputs(output.ApplyT(func(any) []pulumi.Resource { return resources }).(pulumi.ResourceArrayOutput))
}
