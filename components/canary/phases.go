package canary

import (
	"context"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/internal/config"
	"canary/internal/hooks"
	"canary/internal/release"
	"canary/internal/rollout"
)

// connect reaches the app in the cluster of a kubeconfig's context.
type connect func(ctx context.Context, kubeconfig, contextName string, app release.App) (rollout.Cluster, error)

// session is what all phases of one update share: the rollout and, once the cluster was
// reached, the connections to it.
type session struct {
	rollout *rollout.Rollout
	once    sync.Once
	cluster rollout.Cluster
	err     error
}

// phases runs each phase of the rollout when its time has come: in a hook, right
// before a resource is written, or once outputs are known, after it was.
type phases struct {
	ctx     *pulumi.Context
	name    string
	args    *Args
	session *session
	// connect and hooks are those of args, or the real ones.
	connect connect
	hooks   hooks.Register
	// kubeconfig waits for the kubeconfig; for hooks.
	kubeconfig func() (string, error)
}

func newPhases(ctx *pulumi.Context, name string, args *Args) (phases, error) {
	if args.session == nil {
		want, err := wanted(args.Config)
		if err != nil {
			return phases{}, err
		}
		args.session = &session{rollout: rollout.New(want)}
	}
	p := phases{
		ctx: ctx, name: name, args: args, session: args.session,
		connect: args.connect, hooks: args.hooks, kubeconfig: hooks.Value(ctx, args.Kubeconfig),
	}
	if p.connect == nil {
		p.connect = rollout.Connect
	}
	if p.hooks == nil {
		p.hooks = hooks.Of(ctx)
	}
	return p, nil
}

// wanted is where the configuration leads a rollout.
func wanted(c *config.Config) (rollout.Wanted, error) {
	objects, err := asWritten(c)
	stable, canary := subsetsOf(c)
	extras := Extras(c)
	return rollout.Wanted{
		Objects:     objects,
		Split:       weights(c),
		Pods:        map[string]release.Pods{release.Stable: stable.pods, release.Canary: canary.pods},
		Timeout:     c.ConvergeTimeout,
		Gateway:     c.Istio.Gateway,
		CanaryAsked: extras.Header != "" || extras.Mirrored > 0,
	}, err
}

// rollBack comes before every resource.
func (p phases) rollBack() pulumi.Output { return p.onceKnown(p.session.rollout.RollBack, nil) }

// gatewayRuns makes the creation of a resource fail when an Istio that is not
// the stack's has no ingress gateway, so that nothing is left half done.
func (p phases) gatewayRuns() ([]pulumi.ResourceOption, error) {
	istio := p.args.Config.Istio
	if istio.Install {
		return nil, nil
	}
	checked, err := p.hooks.BeforeCreate(p.name+": ingress gateway", func(*pulumi.ResourceHookArgs) error {
		return p.inHook(func(ctx context.Context, cluster rollout.Cluster, _ rollout.Voice) error {
			return cluster.CheckGateway(ctx, istio.Gateway)
		}, nil)
	})
	if err != nil {
		return nil, err
	}
	return []pulumi.ResourceOption{checked}, nil
}

// podsKeepStill makes the update of a subset's Deployment fail when it would
// change pods that the split in force sends requests to, and the wanted one
// fewer.
func (p phases) podsKeepStill(deployment, subset string) (pulumi.ResourceOption, error) {
	return p.hooks.BeforeUpdate(deployment+": two steps", func(update *pulumi.ResourceHookArgs) error {
		changes := podChanges(update.OldInputs, update.NewInputs)
		if len(changes) == 0 {
			return nil
		}
		return p.inHook(func(ctx context.Context, cluster rollout.Cluster, _ rollout.Voice) error {
			return p.session.rollout.CheckPodChange(ctx, cluster, subset, changes)
		}, nil)
	})
}

// started makes a subset have its least number of pods once its autoscaler is
// written: that leaves a Deployment alone that asks for none.
func (p phases) started(autoscaler string, s subset) (pulumi.ResourceOption, error) {
	return p.hooks.AfterWrite(autoscaler+": least pods", func() error {
		return p.inHook(func(ctx context.Context, cluster rollout.Cluster, _ rollout.Voice) error {
			return cluster.AtLeast(ctx, s.name, s.pods.Min)
		}, nil)
	})
}

// guarded makes the write of the VirtualService fail unless the guard lets the
// split move. When nothing is to be written, there is nothing to guard. It speaks
// beside the component: the VirtualService is not known to the program before it
// is written.
func (p phases) guarded(component pulumi.Resource) (pulumi.ResourceOption, error) {
	return p.hooks.BeforeWrite(p.name+": guard", func() error { return p.inHook(p.session.rollout.Guard, component) })
}

// converged comes after the VirtualService.
func (p phases) converged(virtualService pulumi.Resource) pulumi.Output {
	return p.onceKnown(p.session.rollout.Converge, virtualService, virtualService.URN())
}

// finished comes after what is given.
func (p phases) finished(virtualService pulumi.Resource, after ...pulumi.Output) pulumi.Output {
	return p.onceKnown(p.session.rollout.Finish, virtualService, after...)
}

// phase is one of the rollout.
type phase func(context.Context, rollout.Cluster, rollout.Voice) error

// onceKnown runs a phase once the outputs are known; it speaks beside a resource.
// Its own output has no meaningful value; it is an error when the phase's is, and
// is not secret although the kubeconfig is.
func (p phases) onceKnown(run phase, beside pulumi.Resource, known ...pulumi.Output) pulumi.Output {
	inputs := []any{p.args.Kubeconfig}
	for _, output := range known {
		inputs = append(inputs, output)
	}
	return pulumi.Unsecret(pulumi.All(inputs...).ApplyTWithContext(p.ctx.Context(), func(ctx context.Context, values []any) (bool, error) {
		cluster, err := p.reach(values[0].(string))
		if err != nil {
			return false, err
		}
		return true, run(ctx, cluster, p.voice(beside))
	}))
}

// inHook runs a phase in a hook; it speaks beside a resource.
func (p phases) inHook(run phase, beside pulumi.Resource) error {
	kubeconfig, err := p.kubeconfig()
	if err != nil {
		return err
	}
	cluster, err := p.reach(kubeconfig)
	if err != nil {
		return err
	}
	return run(p.ctx.Context(), cluster, p.voice(beside))
}

func (p phases) reach(kubeconfig string) (rollout.Cluster, error) {
	cfg, r := p.args.Config, p.session
	r.once.Do(func() {
		app := release.App{Namespace: cfg.Namespace, Name: cfg.Name, Hosts: cfg.Hosts, TLS: cfg.TLS.On(), Extras: Extras(cfg)}
		r.cluster, r.err = p.connect(p.ctx.Context(), kubeconfig, p.args.Context, app)
	})
	return r.cluster, r.err
}

// voice speaks beside a resource.
func (p phases) voice(beside pulumi.Resource) rollout.Voice {
	return rollout.Voice{
		Progress: func(line string) {
			_ = p.ctx.Log.Info(line, &pulumi.LogArgs{Resource: beside, Ephemeral: true})
		},
		Info: func(line string) { _ = p.ctx.Log.Info(line, &pulumi.LogArgs{Resource: beside}) },
		Warn: func(line string) { _ = p.ctx.Log.Warn(line, &pulumi.LogArgs{Resource: beside}) },
	}
}
