package canary

import (
	"errors"
	"syscall"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"canary/internal/kube"
	"canary/internal/mesh"
	"canary/internal/pulumitest"
	"canary/internal/release"
	"canary/internal/rollout/rollouttest"
)

var othersNamespace = map[string]string{
	"createNamespace": "false", "namespace": "store", "name": "shop",
	"clusterProvider": "existing", "kubeconfig": "~/.kube/config", "istioInstall": "false",
}

// In a namespace of somebody else the Service comes first, and what decides for other
// pods is not there. The namespace itself is only read.
func TestOthersNamespace(t *testing.T) {
	t.Parallel()
	r, err := update(t, &rollouttest.Cluster{}, othersNamespace)
	require.NoError(t, err)
	for _, tc := range []struct {
		token, name string
		after       []string
	}{
		{serviceType, "app", nil},
		{configMapType, "app-stable", []string{serviceType}},
		{deploymentType, "app-stable", []string{configMapType, serviceType}},
		{deploymentType, "app-canary", []string{configMapType, serviceType}},
		{gatewayType, "app", []string{serviceType}},
		{destinationRuleType, "app", []string{deploymentType, deploymentType, serviceType}},
		{virtualServiceType, "app", []string{deploymentType, deploymentType, serviceType, destinationRuleType, gatewayType}},
	} {
		require.ElementsMatch(t, tc.after, typesOf(find(t, r, tc.token, tc.name).RPC.GetDependencies()), "%s %s", tc.token, tc.name)
	}
	require.Empty(t, r.OfType(policyType))
	require.Len(t, r.All(), 10)
	namespace := find(t, r, namespaceType, "app")
	require.Nil(t, namespace.RPC, "it is not registered")
	require.Equal(t, map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "store"}}, namespace.Inputs.Mappable())
}

// What is wrong with the namespace is told before anything is made.
func TestNamespaceTakesPods(t *testing.T) {
	t.Parallel()
	app := &rollouttest.Cluster{InForce: release.Split{Stable: 100}, Notes: mesh.Notes{Info: "asks for their own", Warning: "plain text"}}
	hooks := &recordedHooks{}
	_, err := pulumitest.Run(hooked(configuration(t, othersNamespace), reaching(app), hooks, nil))
	require.NoError(t, err)

	before := len(app.Calls())
	require.NoError(t, hooks.run("app: namespace", nil))
	require.Equal(t, []string{"namespace for pods map[app.kubernetes.io/name:shop app.kubernetes.io/subset:stable sidecar.istio.io/inject:true]"}, app.Calls()[before:])
	app.NamespaceErr = errors.New("there is no namespace store")
	require.ErrorIs(t, hooks.run("app: namespace", nil), app.NamespaceErr)
}

// A preview says the same of a namespace that is not there.
func TestPreviewWithoutNamespace(t *testing.T) {
	t.Parallel()
	app := &rollouttest.Cluster{NamespaceErr: errors.New("there is no namespace store")}
	_, err := pulumitest.Run(program(configuration(t, othersNamespace), reaching(app), nil), pulumitest.WithDryRun())
	require.ErrorIs(t, err, app.NamespaceErr)
}

// A preview goes on while the cluster does not answer: all but the namespace is as always.
func TestPreviewWithoutCluster(t *testing.T) {
	t.Parallel()
	reachable, err := pulumitest.Run(program(configuration(t, othersNamespace), reaching(&rollouttest.Cluster{}), nil), pulumitest.WithDryRun())
	require.NoError(t, err)
	app := &rollouttest.Cluster{NamespaceErr: &kube.UnreachableError{Server: "https://nowhere", Err: syscall.ECONNREFUSED}}
	r, err := pulumitest.Run(program(configuration(t, othersNamespace), reaching(app), nil), pulumitest.WithDryRun())
	require.NoError(t, err)
	require.Empty(t, r.OfType(namespaceType))
	require.Len(t, reachable.OfType(namespaceType), 1)
	require.Len(t, r.All(), len(reachable.All())-1)
}

// What the stack does not have is not taken over.
func TestNobodyElses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options     map[string]string
		token, name string
		there       string
		want        string
	}{
		"an object in a namespace of somebody else": {
			othersNamespace, deploymentType, "app-canary", "Deployment store/shop-canary",
			"Deployment store/shop-canary is there already, and this stack does not have it: it would be taken over, and removed by `pulumi destroy`; it was not changed. " +
				"Choose another name with `pulumi config set name NAME`; if it is a remainder of this app, type `kubectl -n store delete Deployment.v1.apps shop-canary` and `pulumi up`",
		},
		"an object of Istio": {othersNamespace, gatewayType, "app", "Gateway store/shop", "Gateway store/shop is there already"},
		"the namespace": {
			nil, namespaceType, "app", "Namespace app-example",
			"Namespace app-example is there already, and this stack does not have it: it would be taken over, and removed with all that is in it by `pulumi destroy`; it was not changed. " +
				"To use it as it is, type `pulumi config set createNamespace false` and `pulumi up`, or choose another with `pulumi config set namespace NAME`; " +
				"if it is a remainder with nothing of yours in it, type `kubectl delete namespace app-example` and `pulumi up`",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := &rollouttest.Cluster{InForce: release.Split{Stable: 100}}
			hooks := &recordedHooks{}
			r, err := pulumitest.Run(hooked(configuration(t, tc.options), reaching(app), hooks, nil))
			require.NoError(t, err)
			create := &pulumi.ResourceHookArgs{NewInputs: find(t, r, tc.token, tc.name).Inputs}
			require.NoError(t, hooks.run("app: nobody else's", create))
			app.There = []string{tc.there}
			require.ErrorContains(t, hooks.run("app: nobody else's", create), tc.want)
		})
	}
}
