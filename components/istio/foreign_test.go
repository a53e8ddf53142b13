package istio

import (
	"context"
	"errors"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"canary/internal/config"
	"canary/internal/mesh"
	"canary/internal/pulumitest"
)

func TestRefuse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		found mesh.InstalledIstio
		want  string
	}{
		"none": {},
		"an Istio": {
			mesh.InstalledIstio{Istiods: []string{"mesh/istiod"}, Injectors: []string{"istio-sidecar-injector"}, Namespace: true},
			"this cluster has an Istio already (istiod is Deployment mesh/istiod). This stack did not install it and does not overwrite it; " +
				"nothing was written. To use it, type `pulumi config set istioInstall false` and `pulumi up`",
		},
		"parts of one": {
			mesh.InstalledIstio{Injectors: []string{"istio-sidecar-injector"}},
			"this cluster has parts of an Istio already (webhook istio-sidecar-injector, but no Deployment with the label app=istiod). " +
				"This stack did not install them and does not overwrite them; nothing was written. " +
				"To use that Istio, type `pulumi config set istioInstall false` and `pulumi up`; if it is a remainder, remove it first",
		},
		"its namespace": {
			mesh.InstalledIstio{Namespace: true},
			"the namespace istio-system is there already, and this stack did not make it: it would be taken over, and removed by `pulumi destroy`; " +
				"nothing was written. If it is a remainder with nothing of yours in it, type `kubectl delete namespace istio-system` and `pulumi up`",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := refuse(tc.found)
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tc.want)
		})
	}
}

// recordedHooks are hooks by name, in place of an engine that runs them.
type recordedHooks map[string]pulumi.ResourceHookFunction

func (r recordedHooks) register(name string, run pulumi.ResourceHookFunction, _ *pulumi.ResourceHookOptions) (*pulumi.ResourceHook, error) {
	r[name] = run
	return nil, nil
}

// An existing cluster is looked at before the first creation, and only then; the
// stack's own cluster never.
func TestOnlyOurs(t *testing.T) {
	t.Parallel()
	hooks := recordedHooks{}
	looked := 0
	var found mesh.InstalledIstio
	var failed error
	find := func(_ context.Context, kubeconfig, contextName string) (mesh.InstalledIstio, error) {
		require.Equal(t, "a kubeconfig", kubeconfig)
		require.Equal(t, "a context", contextName)
		looked++
		return found, failed
	}
	cfg, err := config.Parse(nil)
	require.NoError(t, err)
	install := func(shared bool) {
		r, err := pulumitest.Run(func(ctx *pulumi.Context) error {
			_, err := New(ctx, "istio", &Args{
				Config: cfg.Istio, Kubeconfig: pulumi.ToSecret(pulumi.String("a kubeconfig")).(pulumi.StringOutput), Context: "a context", Shared: shared,
				fetch: nothing, find: find, hooks: hooks.register,
			})
			return err
		})
		require.NoError(t, err)
		require.NotEmpty(t, r.OfType(releaseType))
	}

	const name = "no other Istio"
	install(false)
	require.NotContains(t, hooks, name)

	install(true)
	require.Contains(t, hooks, name)
	require.Zero(t, looked, "a stack that has installed Istio does not look")

	hook := hooks[name]
	require.NoError(t, hook(nil))
	found.Istiods = []string{"istio-system/istiod"}
	require.ErrorContains(t, hook(nil), "this cluster has an Istio already")
	failed = errors.New("not reachable")
	require.EqualError(t, hook(nil), "looking for an Istio that is there already: not reachable")
	require.Equal(t, 3, looked)
}
