package canary

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/sebdah/goldie/v2"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"canary/internal/config"
	"canary/internal/pulumitest"
	"canary/internal/release"
	"canary/internal/rollout"
	"canary/internal/rollout/rollouttest"
)

const (
	namespaceType       = "kubernetes:core/v1:Namespace"
	configMapType       = "kubernetes:core/v1:ConfigMap"
	autoscalerType      = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
	secretType          = "kubernetes:core/v1:Secret"
	serviceType         = "kubernetes:core/v1:Service"
	deploymentType      = "kubernetes:apps/v1:Deployment"
	gatewayType         = "kubernetes:networking.istio.io/v1:Gateway"
	destinationRuleType = "kubernetes:networking.istio.io/v1:DestinationRule"
	policyType          = "kubernetes:security.istio.io/v1:PeerAuthentication"
	envoyFilterType     = "kubernetes:networking.istio.io/v1alpha3:EnvoyFilter"
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
	return hooked(cfg, connect, &recordedHooks{}, use)
}

// hooked is program with the hooks put down.
func hooked(cfg *config.Config, connect connect, hooks *recordedHooks, use func(*pulumi.Context, *Canary)) pulumi.RunFunc {
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

// recordedHooks are hooks by name, in place of an engine that runs them while
// other resources are still registered.
type recordedHooks struct {
	mu     sync.Mutex
	byName map[string]pulumi.ResourceHookFunction
}

func (r *recordedHooks) register(name string, run pulumi.ResourceHookFunction, _ *pulumi.ResourceHookOptions) (*pulumi.ResourceHook, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byName[name] != nil {
		return nil, fmt.Errorf("two hooks have the name %q", name)
	}
	if r.byName == nil {
		r.byName = map[string]pulumi.ResourceHookFunction{}
	}
	r.byName[name] = run
	return nil, nil
}

func (r *recordedHooks) run(name string, args *pulumi.ResourceHookArgs) error {
	r.mu.Lock()
	run := r.byName[name]
	r.mu.Unlock()
	if run == nil {
		return fmt.Errorf("no hook has the name %q", name)
	}
	return run(args)
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

var errSick = errors.New("subset canary has 0 of 1 pods ready: CrashLoopBackOff")

// reaching always gives the same cluster.
func reaching(cluster rollout.Cluster) connect {
	return func(context.Context, string, string, release.App) (rollout.Cluster, error) { return cluster, nil }
}

// written plays the API server: what is written is in force.
func written(cluster *rollouttest.Cluster) func(pulumi.MockResourceArgs) resource.PropertyMap {
	return func(args pulumi.MockResourceArgs) resource.PropertyMap {
		if args.TypeToken == virtualServiceType && args.Name == "app" {
			all := args.Inputs["spec"].ObjectValue()["http"].ArrayValue()
			routes := all[len(all)-1].ObjectValue()["route"].ArrayValue()
			weight := func(i int) int32 { return int32(routes[i].ObjectValue()["weight"].NumberValue()) }
			cluster.Written(release.Split{Stable: weight(0), Canary: weight(1)})
		}
		return nil
	}
}

// inOrder also notes what is registered, after the guard as an engine runs it.
func inOrder(cluster *rollouttest.Cluster, hooks *recordedHooks) func(pulumi.MockResourceArgs) resource.PropertyMap {
	return func(args pulumi.MockResourceArgs) resource.PropertyMap {
		switch args.TypeToken {
		case deploymentType:
			cluster.Note("write %s", args.Name)
		case virtualServiceType:
			if err := hooks.run("app: guard", nil); err != nil {
				cluster.Note("guard: %v", err)
			}
			cluster.Note("write VirtualService")
		}
		return written(cluster)(args)
	}
}

// update registers the component as in an update.
func update(t *testing.T, cluster *rollouttest.Cluster, options map[string]string) (*pulumitest.Recorder, error) {
	t.Helper()
	return pulumitest.Run(program(configuration(t, options), reaching(cluster), nil), pulumitest.WithOutputs(written(cluster)))
}

// typesOf are the resource types of URNs.
func typesOf(urns []string) []string {
	types := make([]string, 0, len(urns))
	for _, urn := range urns {
		types = append(types, string(resource.URN(urn).Type()))
	}
	return types
}
