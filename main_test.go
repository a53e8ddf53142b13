package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"canary/internal/pulumitest"
)

const (
	clusterComponent = "canary:cluster:Cluster"
	istioComponent   = "canary:istio:Istio"
	appComponent     = "canary:app:Canary"
	commandType      = "command:local:Command"
	providerType     = "pulumi:providers:kubernetes"
)

// inCluster is what a stack puts into a cluster, as "type name".
var (
	mesh = []string{
		istioComponent + " istio",
		"kubernetes:core/v1:Namespace istio-system",
		"kubernetes:helm.sh/v3:Release istio-base",
		"kubernetes:helm.sh/v3:Release istiod",
		"kubernetes:helm.sh/v3:Release istio-ingressgateway",
		"kubernetes:helm.sh/v3:Release istio-egressgateway",
	}
	app = []string{
		appComponent + " app",
		"kubernetes:core/v1:Namespace app",
		"kubernetes:security.istio.io/v1:PeerAuthentication app",
		"kubernetes:core/v1:Service app",
		"kubernetes:core/v1:ConfigMap app-stable",
		"kubernetes:core/v1:ConfigMap app-canary",
		"kubernetes:apps/v1:Deployment app-stable",
		"kubernetes:apps/v1:Deployment app-canary",
		"kubernetes:networking.istio.io/v1:Gateway app",
		"kubernetes:networking.istio.io/v1:DestinationRule app",
		"kubernetes:networking.istio.io/v1:VirtualService app",
	}
)

func TestDefaultStack(t *testing.T) {
	t.Parallel()
	r, err := run(nil)
	require.NoError(t, err)

	require.ElementsMatch(t, slices.Concat([]string{
		clusterComponent + " cluster",
		commandType + " cluster-identity",
		commandType + " cluster",
		commandType + " cluster-agents",
		commandType + " cluster-kubeconfig",
		commandType + " cluster-leftovers",
		commandType + " cluster-engine",
		providerType + " cluster",
	}, mesh, app), registered(r))
}

// What keeps users on a version is one more object, beside the gateway's pods.
func TestStickyStack(t *testing.T) {
	t.Parallel()
	before, err := run(nil)
	require.NoError(t, err)
	after, err := run(map[string]string{"canary:stickyCookie": "v", "canary:canaryHeader": "x-canary", "canary:mirrorPercent": "5"})
	require.NoError(t, err)
	require.ElementsMatch(t, append(registered(before), "kubernetes:networking.istio.io/v1alpha3:EnvoyFilter app"), registered(after))
}

// A destroy begins with the question which engine docker talks to: everything in the cluster stays in the state until
// that is answered.
func TestDestroyBeginsWithTheEngine(t *testing.T) {
	t.Parallel()
	r, err := run(map[string]string{"canary:canaryReplicas": "0"})
	require.NoError(t, err)
	guard, found := r.Find(commandType, "cluster-engine")
	require.True(t, found)
	require.Equal(t, "sh scripts/cluster-engine.sh", guard.Inputs["delete"].StringValue())
	require.NotContains(t, guard.Inputs, resource.PropertyKey("create"))
	for _, variable := range []resource.PropertyKey{"CLUSTER_NAME", "CLUSTER_ID", "CLUSTER_ENGINE"} {
		require.Contains(t, guard.Inputs["environment"].ObjectValue(), variable)
	}
	require.Empty(t, guard.DeletedWith, "it would not be run")

	needs := map[string][]string{}
	for _, one := range r.All() {
		for _, dependency := range one.RPC.GetDependencies() {
			of := urn.URN(dependency)
			needs[one.Type+" "+one.Name] = append(needs[one.Type+" "+one.Name], string(of.Type())+" "+of.Name())
		}
	}
	var after []string
	for queue := []string{commandType + " cluster-engine"}; len(queue) > 0; queue = queue[1:] {
		for _, name := range needs[queue[0]] {
			if !slices.Contains(after, name) {
				after, queue = append(after, name), append(queue, name)
			}
		}
	}
	for _, name := range slices.Concat(mesh, app) {
		if strings.HasPrefix(name, "kubernetes:") {
			require.Contains(t, after, name)
		}
	}
}

func TestComponentsFollowTheCluster(t *testing.T) {
	t.Parallel()
	r, err := run(nil)
	require.NoError(t, err)

	// Children inherit both from their component, the provider by the SDK and
	// DeletedWith by the engine.
	for _, one := range r.All() {
		if one.Parent == "istio" || one.Parent == "app" {
			require.Equal(t, "cluster", one.Provider, "%s %s", one.Type, one.Name)
			require.Empty(t, one.DeletedWith, "%s %s", one.Type, one.Name)
		}
	}
	for token, name := range map[string]string{istioComponent: "istio", appComponent: "app"} {
		component, found := r.Find(token, name)
		require.True(t, found)
		require.Equal(t, "cluster-identity", component.DeletedWith)
		require.Contains(t, component.Dependencies, "cluster-kubeconfig")
	}
	component, _ := r.Find(appComponent, "app")
	require.Contains(t, component.Dependencies, "istio-ingressgateway")
	require.Contains(t, component.Dependencies, "istio-egressgateway")
}

func TestExistingClusterWithIstio(t *testing.T) {
	t.Parallel()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(kubeconfig, []byte(`
apiVersion: v1
kind: Config
current-context: staging
contexts: [{name: staging, context: {cluster: staging, user: me}}]
clusters: [{name: staging, cluster: {server: "https://staging.example.com"}}]
users: [{name: me, user: {token: secret}}]
`), 0o600))
	r, err := run(map[string]string{
		"canary:clusterProvider": "existing",
		"canary:kubeconfig":      kubeconfig,
		"canary:istioInstall":    "false",
	})
	require.NoError(t, err)

	require.ElementsMatch(t, slices.Concat([]string{
		clusterComponent + " cluster",
		commandType + " cluster-leftovers",
		providerType + " cluster",
	}, app), registered(r))
	for _, one := range r.All() {
		require.Empty(t, one.DeletedWith, "%s %s", one.Type, one.Name)
	}
}

func TestWrongConfigRegistersNothing(t *testing.T) {
	t.Parallel()
	r, err := run(map[string]string{
		"canary:canaryWeight": "101",
		"canary:agents":       "many",
	})
	require.ErrorContains(t, err, "canaryWeight")
	require.ErrorContains(t, err, "agents")
	require.Empty(t, r.All())
}

// run runs the program as in a preview, with configuration by full key.
// Istio's charts come from a registry, which the program itself does not read.
func run(config map[string]string) (*pulumitest.Recorder, error) {
	all := map[string]string{"canary:istioChartRepository": "oci://registry.example.com/charts"}
	maps.Copy(all, config)
	outputs := func(args pulumi.MockResourceArgs) resource.PropertyMap {
		if args.TypeToken != commandType {
			return nil
		}
		return resource.PropertyMap{"stdout": resource.NewProperty("printed")}
	}
	return pulumitest.Run(program, pulumitest.WithConfig(all), pulumitest.WithOutputs(outputs), pulumitest.WithDryRun())
}

func registered(r *pulumitest.Recorder) []string {
	var all []string
	for _, one := range r.All() {
		all = append(all, one.Type+" "+one.Name)
	}
	return all
}
