package canary

import (
	"context"
	"errors"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"canary/internal/converge"
	"canary/internal/pulumitest"
	"canary/internal/release"
	"canary/internal/rollout"
	"canary/internal/rollout/rollouttest"
)

// children are the component's, with what each comes after.
var children = []struct {
	token, name string
	after       []string
}{
	{namespaceType, "app", nil},
	{policyType, "app", []string{namespaceType}},
	{serviceType, "app", []string{namespaceType}},
	{configMapType, "app-stable", []string{namespaceType}},
	{configMapType, "app-canary", []string{namespaceType}},
	{deploymentType, "app-stable", []string{configMapType, namespaceType, policyType}},
	{deploymentType, "app-canary", []string{configMapType, namespaceType, policyType}},
	{gatewayType, "app", []string{namespaceType}},
	{destinationRuleType, "app", []string{deploymentType, deploymentType, namespaceType, policyType, serviceType}},
	{virtualServiceType, "app", []string{
		deploymentType, deploymentType, namespaceType, policyType, serviceType, destinationRuleType, gatewayType,
	}},
}

func TestWiring(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(*testing.T) *pulumitest.Recorder{
		"preview": func(t *testing.T) *pulumitest.Recorder { return preview(t, nil) },
		"update": func(t *testing.T) *pulumitest.Recorder {
			r, err := update(t, &rollouttest.Cluster{}, nil)
			require.NoError(t, err)
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t)
			require.Empty(t, find(t, r, componentType, "app").Inputs, "inputs of a component would show as a change of it")
			require.Len(t, r.All(), 1+len(children))
			for _, tc := range children {
				got := find(t, r, tc.token, tc.name)
				require.Equal(t, "app", got.Parent)
				require.ElementsMatch(t, tc.after, typesOf(got.RPC.GetDependencies()), "%s %s", tc.token, tc.name)
				require.False(t, got.Inputs.ContainsSecrets(), "%s %s", tc.token, tc.name)
			}
		})
	}
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		options map[string]string
		url     string
		split   map[string]any
		object  string
	}{
		{
			name:   "default",
			url:    "http://app-example.app-example.localhost",
			split:  map[string]any{"stable": 100.0, "canary": 0.0},
			object: "app-example/app-example",
		},
		{
			name: "other",
			options: map[string]string{
				"name": "shop", "namespace": "store", "host": "shop.example.com", "httpPort": "8080", "canaryWeight": "12.5",
			},
			url:    "http://shop.example.com:8080",
			split:  map[string]any{"stable": 87.5, "canary": 12.5},
			object: "store/shop",
		},
		{
			name:    "several hosts",
			options: map[string]string{"host": "www.example.com,shop.example.com"},
			url:     "http://www.example.com",
			split:   map[string]any{"stable": 100.0, "canary": 0.0},
			object:  "app-example/app-example",
		},
		{
			name: "existing cluster",
			options: map[string]string{
				"clusterProvider": "existing", "kubeconfig": "~/.kube/config", "httpPort": "8080",
			},
			url:    "http://app-example.app-example.localhost",
			split:  map[string]any{"stable": 100.0, "canary": 0.0},
			object: "app-example/app-example",
		},
		{
			name:    "HTTPS",
			options: map[string]string{"tlsSecret": "shop-tls"},
			url:     "https://app-example.app-example.localhost",
			split:   map[string]any{"stable": 100.0, "canary": 0.0},
			object:  "app-example/app-example",
		},
		{
			name:    "HTTPS on another port",
			options: map[string]string{"tlsSecret": "shop-tls", "httpsPort": "8443"},
			url:     "https://app-example.app-example.localhost:8443",
			split:   map[string]any{"stable": 100.0, "canary": 0.0},
			object:  "app-example/app-example",
		},
		{
			name:    "least",
			options: map[string]string{"canaryWeight": "0.01"},
			url:     "http://app-example.app-example.localhost",
			split:   map[string]any{"stable": 99.99, "canary": 0.01},
			object:  "app-example/app-example",
		},
	}
	for _, tc := range cases {
		for _, how := range [][]pulumitest.Option{nil, {pulumitest.WithDryRun()}} {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				var got []any
				app := &rollouttest.Cluster{}
				_, err := pulumitest.Run(program(configuration(t, tc.options), reaching(app), func(ctx *pulumi.Context, c *Canary) {
					// Exported, so that the program waits for it.
					ctx.Export("got", pulumi.All(c.URL, c.Split, c.VirtualService).ApplyT(func(values []any) bool {
						got = values
						return true
					}))
				}), append(how, pulumitest.WithOutputs(written(app)))...)
				require.NoError(t, err)
				require.Equal(t, []any{tc.url, tc.split, tc.object}, got)
			})
		}
	}
}

func TestNothingIsReadInPreview(t *testing.T) {
	t.Parallel()
	connect := func(context.Context, string, string, release.App) (rollout.Cluster, error) {
		return nil, errors.New("the cluster was read")
	}
	_, err := pulumitest.Run(program(configuration(t, nil), connect, nil), pulumitest.WithDryRun())
	require.NoError(t, err)
}

func TestUpdateOrder(t *testing.T) {
	t.Parallel()
	before := &converge.Before{}
	app := &rollouttest.Cluster{InForce: release.Split{Stable: 100}, LookAs: before}
	connect := func(_ context.Context, kubeconfig, contextName string, got release.App) (rollout.Cluster, error) {
		require.Equal(t, "a kubeconfig", kubeconfig)
		require.Equal(t, "a context", contextName)
		require.Equal(t, release.App{Namespace: "app-example", Name: "app-example", Hosts: []string{"app-example.app-example.localhost"}}, got)
		return app, nil
	}
	cfg := configuration(t, map[string]string{"canaryWeight": "50"})
	hooks := &recordedHooks{}
	_, err := pulumitest.Run(hooked(cfg, connect, hooks, nil), pulumitest.WithOutputs(inOrder(app, hooks)))
	require.NoError(t, err)

	calls := app.Calls()
	require.Len(t, calls, 6)
	require.ElementsMatch(t, []string{"write app-stable", "write app-canary"}, calls[:2])
	require.Equal(t, []string{
		"ready map[canary:1]",
		"write VirtualService",
		"converge 50/50 within 1m0s",
		"ready map[canary:1 stable:1]",
	}, calls[2:])
	require.Same(t, before, app.ConvergedWith, "converge knows what was there before the write")
}

// A canary without pods is switched off when no proxy sends it requests any more.
func TestSwitchOffOrder(t *testing.T) {
	t.Parallel()
	options := map[string]string{"canaryReplicas": "0"}
	app := &rollouttest.Cluster{InForce: release.Split{Stable: 50, Canary: 50}}
	hooks := &recordedHooks{}
	r, err := pulumitest.Run(hooked(configuration(t, options), reaching(app), hooks, nil), pulumitest.WithOutputs(inOrder(app, hooks)))
	require.NoError(t, err)
	require.Equal(t, []string{
		"write app-stable",
		"ready map[stable:1]",
		"write VirtualService",
		"converge 100/0 within 1m0s",
		"write app-canary",
		"ready map[canary:0 stable:1]",
	}, app.Calls())

	for _, got := range []pulumitest.Registration{find(t, r, deploymentType, "app-canary"), find(t, preview(t, options), deploymentType, "app-canary")} {
		require.ElementsMatch(t, []string{configMapType, namespaceType, policyType, virtualServiceType}, typesOf(got.RPC.GetDependencies()))
	}

	lagging := &rollouttest.Cluster{InForce: release.Split{Stable: 50, Canary: 50}, ConvergeErr: errors.New("1 of 5 proxies lags")}
	r, err = update(t, lagging, options)
	require.ErrorContains(t, err, "1 of 5 proxies lags")
	_, switchedOff := r.Find(deploymentType, "app-canary")
	require.False(t, switchedOff)
}

func TestUpdateFails(t *testing.T) {
	t.Parallel()
	sick := map[string]error{release.Canary: errSick}
	cases := []struct {
		name   string
		weight string
		app    *rollouttest.Cluster
		err    string
	}{
		{
			name: "after the split has left a sick canary", weight: "0",
			app: &rollouttest.Cluster{InForce: release.Split{Stable: 50, Canary: 50}, ReadyErr: sick, ConvergeAs: converge.Converged{Proxies: 5}},
			err: "the split 100/0 is served, but: " + errSick.Error(),
		},
		{
			name: "when a proxy lags", weight: "50",
			app: &rollouttest.Cluster{InForce: release.Split{Stable: 100}, ConvergeErr: errors.New("1 of 5 proxies lags")},
			err: "1 of 5 proxies lags",
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r, err := update(t, tc.app, map[string]string{"canaryWeight": tc.weight})
			require.ErrorContains(t, err, tc.err)
			find(t, r, virtualServiceType, "app")
		})
	}
}

func TestMissingArgs(t *testing.T) {
	t.Parallel()
	cfg := configuration(t, nil)
	for _, args := range []*Args{nil, {}, {Config: cfg}, {Kubeconfig: pulumi.String("")}} {
		r, err := pulumitest.Run(func(ctx *pulumi.Context) error {
			_, err := New(ctx, "app", args)
			return err
		})
		require.ErrorContains(t, err, "must not be nil")
		require.Empty(t, r.All())
	}
}
