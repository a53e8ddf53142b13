package canary

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"canary/internal/pulumitest"
	"canary/internal/release"
	"canary/internal/rollout"
	"canary/internal/rollout/rollouttest"
)

func TestWanted(t *testing.T) {
	t.Parallel()
	got, err := wanted(configuration(t, map[string]string{
		"canaryWeight": "12.5", "stableReplicas": "3", "canaryReplicas": "2", "convergeTimeout": "90",
		"clusterProvider": "existing", "kubeconfig": "~/.kube/config", "istioInstall": "false", "istioGateway": "ingress",
	}))
	require.NoError(t, err)
	require.Len(t, got.Objects, 10)
	got.Objects = nil // see TestAsWritten
	require.Equal(t, rollout.Wanted{
		Split:   release.Split{Stable: 8750, Canary: 1250},
		Pods:    map[string]release.Pods{release.Stable: release.Fixed(3), release.Canary: release.Fixed(2)},
		Timeout: 90 * time.Second,
		Gateway: "ingress",
	}, got)
}

// A header and a mirror send requests to the canary at any weight; a cookie does not.
func TestCanaryAsked(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options map[string]string
		want    bool
	}{
		"nothing":          {nil, false},
		"a header":         {map[string]string{"canaryHeader": "x-canary"}, true},
		"a mirror":         {map[string]string{"mirrorPercent": "0.01"}, true},
		"a cookie":         {map[string]string{"stickyCookie": "v"}, false},
		"without a canary": {map[string]string{"canaryHeader": "x-canary", "mirrorPercent": "1", "canaryReplicas": "0"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := wanted(configuration(t, tc.options))
			require.NoError(t, err)
			require.Equal(t, tc.want, got.CanaryAsked)
		})
	}
}

// Nothing is registered before the split is safe, and nothing is read in a preview.
func TestRollBackComesFirst(t *testing.T) {
	t.Parallel()
	app := &rollouttest.Cluster{InForce: release.Split{Canary: 100}}
	hooks := &recordedHooks{byName: map[string]pulumi.ResourceHookFunction{"app: guard": func(*pulumi.ResourceHookArgs) error { return nil }}}
	program := func(connect connect) pulumi.RunFunc {
		return func(ctx *pulumi.Context) error {
			args := &Args{Config: configuration(t, nil), Kubeconfig: pulumi.String("a kubeconfig"), connect: connect}
			first, err := RollBackFirst(ctx, args, nil)
			if err != nil {
				return err
			}
			_, err = New(ctx, "app", args, pulumi.DependsOnInputs(first))
			return err
		}
	}
	_, err := pulumitest.Run(program(reaching(app)), pulumitest.WithOutputs(inOrder(app, hooks)))
	require.NoError(t, err)
	require.Equal(t, []string{"roll back to 100/0", "converge routes 100/0 within 1m0s"}, app.Calls()[:2])
	require.Contains(t, app.Calls()[2:], "write app-canary")

	never := func(context.Context, string, string, release.App) (rollout.Cluster, error) {
		return nil, errors.New("the cluster was read")
	}
	_, err = pulumitest.Run(program(never), pulumitest.WithDryRun())
	require.NoError(t, err)
	r, err := pulumitest.Run(program(never))
	require.ErrorContains(t, err, "the cluster was read")
	require.Empty(t, r.All())
}

func TestGuardStopsTheWrite(t *testing.T) {
	t.Parallel()
	app := &rollouttest.Cluster{InForce: release.Split{Stable: 100}, ReadyErr: map[string]error{release.Canary: errSick}}
	hooks := &recordedHooks{}
	_, err := pulumitest.Run(hooked(configuration(t, map[string]string{"canaryWeight": "50"}), reaching(app), hooks, nil))
	require.Error(t, err)
	require.EqualError(t, hooks.run("app: guard", nil), "the split stays 100/0: "+errSick.Error())
}

// Each Deployment is guarded as its own subset.
func TestTwoStepsHooks(t *testing.T) {
	t.Parallel()
	app := &rollouttest.Cluster{InForce: release.Split{Stable: 50, Canary: 50}}
	hooks := &recordedHooks{}
	cfg := configuration(t, map[string]string{"canaryWeight": "40"})
	_, err := pulumitest.Run(hooked(cfg, reaching(app), hooks, nil))
	require.NoError(t, err)
	require.Len(t, hooks.byName, 4)

	was := find(t, preview(t, nil), deploymentType, "app-stable").Inputs
	is := find(t, preview(t, map[string]string{"stableImage": "shop:2"}), deploymentType, "app-stable").Inputs
	change := &pulumi.ResourceHookArgs{OldInputs: was, NewInputs: is}
	require.NoError(t, hooks.run("app-stable: two steps", change))
	require.ErrorContains(t, hooks.run("app-canary: two steps", change), "subset canary")
	require.NoError(t, hooks.run("app-canary: two steps", &pulumi.ResourceHookArgs{OldInputs: was, NewInputs: was}))
}

// With an Istio that is not the stack's, a gateway has to be there before
// anything is made.
func TestGatewayRuns(t *testing.T) {
	t.Parallel()
	missing := errors.New("no running pod")
	app := &rollouttest.Cluster{InForce: release.Split{Stable: 100}, GatewayErr: missing}
	hooks := &recordedHooks{}
	cfg := configuration(t, map[string]string{
		"clusterProvider": "existing", "kubeconfig": "~/.kube/config", "istioInstall": "false", "istioGateway": "ingress",
	})
	_, err := pulumitest.Run(hooked(cfg, reaching(app), hooks, nil))
	require.NoError(t, err)
	require.Len(t, hooks.byName, 5)

	before := len(app.Calls())
	require.ErrorIs(t, hooks.run("app: ingress gateway", nil), missing)
	require.Equal(t, []string{"gateway ingress"}, app.Calls()[before:])
}
