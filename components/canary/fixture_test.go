package canary

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/sebdah/goldie/v2"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"canary/internal/config"
	"canary/internal/converge"
	"canary/internal/pulumitest"
	"canary/internal/release"
)

const (
	namespaceType       = "kubernetes:core/v1:Namespace"
	configMapType       = "kubernetes:core/v1:ConfigMap"
	serviceType         = "kubernetes:core/v1:Service"
	deploymentType      = "kubernetes:apps/v1:Deployment"
	gatewayType         = "kubernetes:networking.istio.io/v1:Gateway"
	destinationRuleType = "kubernetes:networking.istio.io/v1:DestinationRule"
	policyType          = "kubernetes:security.istio.io/v1:PeerAuthentication"
	virtualServiceType  = "kubernetes:networking.istio.io/v1:VirtualService"
)

// configuration is a whole one, by key without the project's prefix.
func configuration(t *testing.T, options map[string]string) *config.Config {
	t.Helper()
	cfg, err := config.Parse(options)
	require.NoError(t, err)
	return cfg
}

// program registers the component as app, and hands it to use.
func program(cfg *config.Config, connect connect, use func(*pulumi.Context, *Canary)) pulumi.RunFunc {
	return hooked(cfg, connect, recordedHooks{}, use)
}

// hooked is program with the hooks put down.
func hooked(cfg *config.Config, connect connect, hooks recordedHooks, use func(*pulumi.Context, *Canary)) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		c, err := New(ctx, "app", &Args{
			Config:     cfg,
			Kubeconfig: pulumi.ToSecret(pulumi.String("a kubeconfig")).(pulumi.StringOutput),
			Context:    "a context",
			connect:    connect,
			hooks:      hooks.register,
		})
		if err != nil {
			return err
		}
		if use != nil {
			use(ctx, c)
		}
		return nil
	}
}

// recordedHooks are hooks by name, in place of an engine that runs them.
type recordedHooks map[string]pulumi.ResourceHookFunction

func (r recordedHooks) register(name string, run pulumi.ResourceHookFunction, _ *pulumi.ResourceHookOptions) (*pulumi.ResourceHook, error) {
	if r[name] != nil {
		return nil, fmt.Errorf("two hooks have the name %q", name)
	}
	r[name] = run
	return nil, nil
}

// preview registers the component as in a preview.
func preview(t *testing.T, options map[string]string) *pulumitest.Recorder {
	t.Helper()
	r, err := pulumitest.Run(program(configuration(t, options), nil, nil), pulumitest.WithDryRun())
	require.NoError(t, err)
	return r
}

func find(t *testing.T, r *pulumitest.Recorder, token, name string) pulumitest.Registration {
	t.Helper()
	got, found := r.Find(token, name)
	require.True(t, found, "%s %s", token, name)
	return got
}

// golden compares a registration's inputs with testdata/<name>.yaml.
func golden(t *testing.T, name string, r pulumitest.Registration) {
	t.Helper()
	text, err := yaml.Marshal(r.Inputs.Mappable())
	require.NoError(t, err)
	goldie.New(t, goldie.WithNameSuffix(".yaml")).Assert(t, name, text)
}

// fakeLive is a cluster that answers at once, and writes down what it was asked.
type fakeLive struct {
	inForce     release.Split
	authorAs    string
	off         string
	splitErr    error
	writeErr    error
	readyErr    map[string]error // by subset
	convergeAs  converge.Converged
	convergeErr error
	warmErr     error
	gatewayErr  error
	lookAs      *converge.Before

	convergedWith *converge.Before

	mu    sync.Mutex
	calls []string
}

func (f *fakeLive) connect(string, string, release.App) (live, error) { return f, nil }

func (f *fakeLive) note(format string, values ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, values...))
}

func (f *fakeLive) split(context.Context) (release.Split, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.inForce, f.splitErr
}

func (f *fakeLive) author(context.Context) (string, error) { return f.authorAs, nil }

func (f *fakeLive) write(_ context.Context, split release.Split) error {
	f.note("roll back to %s", split.Short())
	if f.writeErr != nil {
		return f.writeErr
	}
	f.written(split)
	return nil
}

// written is what the VirtualService says from now on.
func (f *fakeLive) written(split release.Split) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inForce, f.splitErr = split, nil
}

func (f *fakeLive) anyReady(_ context.Context, subset string) (bool, error) {
	return f.readyErr[subset] == nil, nil
}

func (f *fakeLive) writable(context.Context) error { return f.writeErr }

func (f *fakeLive) waitReady(_ context.Context, pods map[string]int, report func(string)) error {
	f.note("ready %v", pods)
	report("waiting")
	for subset := range pods {
		if err := f.readyErr[subset]; err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeLive) warm(_ context.Context, timeout time.Duration, report func(string)) error {
	f.note("warm within %v", timeout)
	report("waiting")
	return f.warmErr
}

func (f *fakeLive) gateway(_ context.Context, label string) error {
	f.note("gateway %s", label)
	return f.gatewayErr
}

func (f *fakeLive) gatewayOff(context.Context, string) (string, error) { return f.off, nil }

func (f *fakeLive) look(context.Context) *converge.Before { return f.lookAs }

func (f *fakeLive) converge(_ context.Context, before *converge.Before, split release.Split, timeout time.Duration, report func(string)) (converge.Converged, error) {
	f.note("converge %s within %v", split.Short(), timeout)
	report("waiting")
	f.convergedWith = before
	return f.convergeAs, f.convergeErr
}

// registered plays the API server: what is written is in force.
func (f *fakeLive) registered(args pulumi.MockResourceArgs) resource.PropertyMap {
	if args.TypeToken == virtualServiceType {
		routes := args.Inputs["spec"].ObjectValue()["http"].ArrayValue()[0].ObjectValue()["route"].ArrayValue()
		weight := func(i int) int32 { return int32(routes[i].ObjectValue()["weight"].NumberValue()) }
		f.written(release.Split{Stable: weight(0), Canary: weight(1)})
	}
	return nil
}

// update registers the component as in an update.
func (f *fakeLive) update(t *testing.T, options map[string]string) (*pulumitest.Recorder, error) {
	t.Helper()
	return pulumitest.Run(program(configuration(t, options), f.connect, nil), pulumitest.WithOutputs(f.registered))
}

// orderedLive also writes down what is registered, after the guard as an engine
// runs it.
type orderedLive struct {
	fakeLive
	hooks recordedHooks
}

func (o *orderedLive) registered(args pulumi.MockResourceArgs) resource.PropertyMap {
	switch args.TypeToken {
	case deploymentType:
		o.note("write %s", args.Name)
	case virtualServiceType:
		if err := o.hooks["app: guard"](nil); err != nil {
			o.note("guard: %v", err)
		}
		o.note("write VirtualService")
	}
	return o.fakeLive.registered(args)
}

// typesOf are the resource types of URNs.
func typesOf(urns []string) []string {
	types := make([]string, 0, len(urns))
	for _, urn := range urns {
		types = append(types, string(resource.URN(urn).Type()))
	}
	return types
}

// silent says nothing.
func silent() voice {
	return voice{progress: func(string) {}, info: func(string) {}, warn: func(string) {}}
}
