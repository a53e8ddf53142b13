package istio

import (
	"context"
	"errors"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"canary/internal/charts"
	"canary/internal/config"
	"canary/internal/pulumitest"
)

const namespaceType = "kubernetes:core/v1:Namespace"

func TestOrder(t *testing.T) {
	t.Parallel()
	r := register(t, map[string]string{})

	component, found := r.Find(componentType, "istio")
	require.True(t, found)
	require.Empty(t, component.Inputs, "inputs of a component would show as a change of it")

	cases := []struct {
		token, name string
		after       []string
	}{
		{namespaceType, "istio-system", nil},
		{releaseType, "istio-base", []string{"istio-system"}},
		{releaseType, "istiod", []string{"istio-base", "istio-system"}},
		{releaseType, "istio-ingressgateway", []string{"istio-system", "istiod"}},
		{releaseType, "istio-egressgateway", []string{"istio-system", "istiod"}},
	}
	require.Len(t, r.All(), 1+len(cases))
	for _, tc := range cases {
		got, found := r.Find(tc.token, tc.name)
		require.True(t, found, tc.name)
		require.Equal(t, "istio", got.Parent, tc.name)
		require.Equal(t, tc.after, got.Dependencies, tc.name)
	}
}

func TestReleases(t *testing.T) {
	t.Parallel()
	r := register(t, map[string]string{
		"istioVersion":         "1.30.2",
		"istioChartRepository": "https://charts.example.com/istio",
	})

	chartOf := map[string]string{
		"istio-base":           "base",
		"istiod":               "istiod",
		"istio-ingressgateway": "gateway",
		"istio-egressgateway":  "gateway",
	}
	require.Len(t, r.OfType(releaseType), len(chartOf))
	for _, got := range r.OfType(releaseType) {
		require.True(t, got.RPC.GetDeleteBeforeReplace(), got.Name)
		inputs := got.Inputs.Mappable()
		delete(inputs, "values")
		require.Equal(t, map[string]any{
			"name":      got.Name,
			"namespace": "istio-system",
			"chart":     store.Path("https://charts.example.com/istio", chartOf[got.Name], "1.30.2"),
			"version":   "1.30.2",
			"timeout":   600.0,
		}, inputs)
	}
}

func TestChartsFromRegistry(t *testing.T) {
	t.Parallel()
	r := register(t, map[string]string{"istioChartRepository": "oci://registry.example.com/charts"})

	got, found := r.Find(releaseType, "istiod")
	require.True(t, found)
	require.Equal(t, "oci://registry.example.com/charts/istiod", got.Inputs["chart"].StringValue())
}

// Charts are fetched when the component may be registered, and before any
// release; those of a registry never.
func TestChartsAreFetched(t *testing.T) {
	t.Parallel()
	install := func(repository string, fetch func(context.Context, string, string, ...string) error) (*pulumitest.Recorder, error) {
		cfg, err := config.Parse(map[string]string{"istioChartRepository": repository, "istioVersion": "1.30.2"})
		require.NoError(t, err)
		return pulumitest.Run(func(ctx *pulumi.Context) error {
			_, err := New(ctx, "istio", &Args{Config: cfg.Istio, Kubeconfig: pulumi.String("a kubeconfig"), Charts: store, fetch: fetch})
			return err
		}, pulumitest.WithDryRun())
	}
	var asked []string
	_, err := install("https://charts.example.com", func(_ context.Context, repository, version string, names ...string) error {
		asked = append([]string{repository, version}, names...)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"https://charts.example.com", "1.30.2", "base", "istiod", "gateway"}, asked)

	down := func(context.Context, string, string, ...string) error { return errors.New("the repository is down") }
	r, err := install("https://charts.example.com", down)
	require.ErrorContains(t, err, "the repository is down")
	require.Empty(t, r.OfType(releaseType))

	_, err = install("oci://charts.example.com", down)
	require.NoError(t, err)
}

// store is where the tests' charts are not kept, and nothing is how they are not fetched.
var store = charts.Store{Dir: "charts"}

func nothing(context.Context, string, string, ...string) error { return nil }

func TestUserValuesComeLast(t *testing.T) {
	t.Parallel()
	r := register(t, map[string]string{
		"istioValues": `{
			"istiod": {"global": {"imagePullPolicy": "Always"}, "pilot": {"env": {"A": "b"}}},
			"ingressgateway": {"replicaCount": 1, "readinessProbe": null}
		}`,
	})

	istiod := values(t, r, "istiod")
	require.Equal(t, map[string]any{"hub": "docker.io/istio", "tag": "1.31.4", "imagePullPolicy": "Always"}, istiod["global"])
	require.Equal(t, map[string]any{"env": map[string]any{"A": "b"}}, istiod["pilot"])

	ingress := values(t, r, "istio-ingressgateway")
	require.InDelta(t, 1, ingress["replicaCount"], 0)
	require.NotContains(t, ingress, "readinessProbe")
	require.Contains(t, values(t, r, "istio-egressgateway"), "readinessProbe")
}

func TestMissingArgs(t *testing.T) {
	t.Parallel()
	r, err := pulumitest.Run(func(ctx *pulumi.Context) error {
		_, err := New(ctx, "istio", nil)
		return err
	})
	require.ErrorContains(t, err, "args must not be nil")
	require.Empty(t, r.All())
}

// register runs New with a configuration, by key without the project's prefix.
func register(t *testing.T, options map[string]string) *pulumitest.Recorder {
	t.Helper()
	cfg, err := config.Parse(options)
	require.NoError(t, err)
	r, err := pulumitest.Run(func(ctx *pulumi.Context) error {
		_, err := New(ctx, "istio", &Args{Config: cfg.Istio, DrainSeconds: cfg.DrainSeconds, Kubeconfig: pulumi.String("a kubeconfig"), Charts: store, fetch: nothing})
		return err
	})
	require.NoError(t, err)
	return r
}

func values(t *testing.T, r *pulumitest.Recorder, release string) map[string]any {
	t.Helper()
	got, found := r.Find(releaseType, release)
	require.True(t, found, release)
	return got.Inputs["values"].ObjectValue().Mappable()
}
