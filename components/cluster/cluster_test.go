package cluster

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"canary/internal/config"
	"canary/internal/pins"
	"canary/internal/pulumitest"
)

const (
	command  = "command:local:Command"
	provider = "pulumi:providers:kubernetes"
)

// build registers a cluster whose Commands print "<name> stdout", and gives it with what was registered.
func build(t *testing.T, args *Args) (*Cluster, *pulumitest.Recorder) {
	t.Helper()
	var built *Cluster
	recorder, err := pulumitest.Run(func(ctx *pulumi.Context) (err error) {
		built, err = New(ctx, "cluster", args)
		return err
	}, pulumitest.WithOutputs(func(args pulumi.MockResourceArgs) resource.PropertyMap {
		if args.TypeToken != command {
			return nil
		}
		return resource.PropertyMap{"stdout": resource.NewProperty(args.Name + " stdout")}
	}))
	require.NoError(t, err)
	return built, recorder
}

func find(t *testing.T, recorder *pulumitest.Recorder, token, name string) pulumitest.Registration {
	t.Helper()
	found, ok := recorder.Find(token, name)
	require.True(t, ok, "%s %s is not registered", token, name)
	return found
}

func environment(t *testing.T, registration pulumitest.Registration) map[string]any {
	t.Helper()
	require.True(t, registration.Inputs["environment"].IsObject(), "the environment holds no secret")
	return registration.Inputs["environment"].ObjectValue().Mappable()
}

func TestK3dCommands(t *testing.T) {
	t.Parallel()
	settingsOf := k3dCluster()
	settingsOf.ImportImages = []string{"app:1", "app:2"}
	file, err := k3dConfig(settingsOf, "dev")
	require.NoError(t, err)
	_, recorder := build(t, &Args{Config: settingsOf, StackName: "dev", AppPods: 2})

	for name, want := range map[string]struct {
		create, update, delete string
		environment            map[string]any
		dependencies           []string
		secretOutputs          []string
	}{
		"cluster-identity": {
			create:      "sh scripts/cluster-identity.sh",
			update:      "sh scripts/cluster-identity.sh",
			delete:      "sh scripts/cluster-delete.sh",
			environment: map[string]any{"CLUSTER_NAME": "canary"},
		},
		"cluster": {
			create: "sh scripts/cluster-create.sh",
			environment: map[string]any{
				"CLUSTER_NAME":         "canary",
				"CLUSTER_ID":           "cluster-identity",
				"CLUSTER_ENGINE":       "stdout",
				"CLUSTER_CONFIG":       string(file),
				"CLUSTER_SETTINGS":     settings(settingsOf),
				"CLUSTER_PORTS":        "httpPort=80 registryPort=5000",
				"CLUSTER_ROOM":         "server=512 agents=3 agent=256 pods=387 images=458",
				"CLUSTER_REGISTRY_SET": "false",
				"IMAGE_CACHE_FROM":     "https://registry-1.docker.io",
				"IMAGE_CACHE_IMAGE":    pins.RegistryImage,
			},
			dependencies: []string{"cluster-identity"},
		},
		"cluster-agents": {
			create: "sh scripts/cluster-agents.sh",
			environment: map[string]any{
				"CLUSTER_NAME": "canary", "CLUSTER_ID": "cluster-identity", "CLUSTER_ENGINE": "stdout", "CLUSTER_AGENTS": "3",
			},
			dependencies: []string{"cluster", "cluster-identity"},
		},
		"cluster-kubeconfig": {
			create:        "sh scripts/cluster-kubeconfig.sh",
			environment:   map[string]any{"CLUSTER_NAME": "canary", "CLUSTER_SERVER": "cluster stdout"},
			dependencies:  []string{"cluster"},
			secretOutputs: []string{"stdout"},
		},
		"cluster-images": {
			create: "sh scripts/cluster-import-images.sh",
			environment: map[string]any{
				"CLUSTER_NAME": "canary", "CLUSTER_SERVER": "cluster stdout", "CLUSTER_NODES": "cluster-agents stdout", "IMAGES": "app:1\napp:2",
			},
			dependencies: []string{"cluster", "cluster-agents"},
		},
	} {
		got := find(t, recorder, command, name)
		require.Equal(t, "cluster", got.Parent, name)
		require.Equal(t, want.create, got.Inputs["create"].StringValue(), name)
		require.Equal(t, want.update, stringOr(got.Inputs, "update", ""), name)
		require.Equal(t, want.delete, stringOr(got.Inputs, "delete", ""), name)
		require.Equal(t, want.environment, environment(t, got), name)
		require.Equal(t, want.dependencies, got.Dependencies, name)
		require.Equal(t, want.secretOutputs, got.AdditionalSecretOutputs, name)
		require.NotContains(t, got.Inputs, resource.PropertyKey("triggers"), "%s: a trigger would replace a living cluster", name)
		require.NotContains(t, got.Inputs, resource.PropertyKey("dir"), "%s: a folder would be stored in the state", name)
	}
	require.Len(t, recorder.OfType(command), 6)

	require.Equal(t, []string{"environment.CLUSTER_CONFIG", "environment.CLUSTER_ROOM"}, find(t, recorder, command, "cluster").RPC.GetIgnoreChanges(),
		"a living cluster keeps what it was made with")
	kubeconfig := find(t, recorder, command, "cluster-kubeconfig")
	require.Equal(t, "none", kubeconfig.Inputs["logging"].StringValue())
	require.False(t, kubeconfig.Inputs["addPreviousOutputInEnv"].BoolValue())
}

func stringOr(inputs resource.PropertyMap, key resource.PropertyKey, otherwise string) string {
	if value, ok := inputs[key]; ok {
		return value.StringValue()
	}
	return otherwise
}

func TestK3dIdentityIsFirst(t *testing.T) {
	t.Parallel()
	built, recorder := build(t, &Args{Config: k3dCluster()})
	require.Equal(t, []string{"cluster-identity", "cluster"}, namesOf(recorder.OfType(command))[:2])
	require.NotNil(t, built.Owned)
	require.Equal(t, "k3d-canary", built.Context)
}

func namesOf(registrations []pulumitest.Registration) []string {
	var names []string
	for _, one := range registrations {
		names = append(names, one.Name)
	}
	return names
}

func TestK3dProvider(t *testing.T) {
	t.Parallel()
	_, recorder := build(t, &Args{Config: k3dCluster()})
	got := find(t, recorder, provider, "cluster")
	require.Equal(t, "cluster", got.Parent)
	require.Equal(t, "canary", got.Inputs["clusterIdentifier"].StringValue())
	require.True(t, got.Inputs["enableSecretMutable"].BoolValue(), "a secret is changed in place")
	require.Equal(t, "k3d-canary", got.Inputs["context"].StringValue())
	require.True(t, got.Inputs["kubeconfig"].IsSecret())
	require.Equal(t, "cluster-kubeconfig stdout", got.Inputs["kubeconfig"].SecretValue().Element.StringValue())
	require.Contains(t, got.Dependencies, "cluster-kubeconfig")
}

func TestExisting(t *testing.T) {
	t.Parallel()
	built, recorder := build(t, &Args{Config: config.Cluster{
		Provider: config.ProviderExisting, Kubeconfig: twoContexts, Context: "first",
	}})
	require.Nil(t, built.Owned, "nothing is DeletedWith a cluster that stays")
	require.Equal(t, "first", built.Context)
	require.Equal(t, []string{"cluster-leftovers"}, namesOf(recorder.OfType(command)))

	got := find(t, recorder, provider, "cluster")
	require.Equal(t, "first", got.Inputs["clusterIdentifier"].StringValue())
	require.Equal(t, "first", got.Inputs["context"].StringValue())
	require.True(t, got.Inputs["kubeconfig"].IsSecret())
	require.Contains(t, got.Inputs["kubeconfig"].SecretValue().Element.StringValue(), "https://one.example.com")
}

func TestKubeconfigOutputIsSecret(t *testing.T) {
	t.Parallel()
	for name, cluster := range map[string]config.Cluster{
		"k3d":      k3dCluster(),
		"existing": {Provider: config.ProviderExisting, Kubeconfig: twoContexts},
	} {
		_, err := pulumitest.Run(func(ctx *pulumi.Context) error {
			built, err := New(ctx, "cluster", &Args{Config: cluster})
			if err != nil {
				return err
			}
			require.True(t, pulumi.IsSecret(built.Kubeconfig), name)
			return nil
		}, pulumitest.WithOutputs(func(pulumi.MockResourceArgs) resource.PropertyMap {
			return resource.PropertyMap{"stdout": resource.NewProperty("kubeconfig")}
		}))
		require.NoError(t, err)
	}
}

func TestLeftoversAreRemoved(t *testing.T) {
	t.Parallel()
	text, _, err := loadKubeconfig(twoContexts, "first")
	require.NoError(t, err)
	existing := config.Cluster{Provider: config.ProviderExisting, Kubeconfig: twoContexts, Context: "first"}
	for name, tc := range map[string]struct {
		cluster config.Cluster
		options []pulumitest.Option
	}{
		"existing":          {cluster: existing},
		"existing, preview": {existing, []pulumitest.Option{pulumitest.WithDryRun()}},
		"k3d":               {cluster: k3dCluster()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			temp := t.TempDir()
			for file, content := range map[string]string{"kubeconfig1": text, "kubeconfig2": text, "kubeconfig3": "another's"} {
				require.NoError(t, os.WriteFile(filepath.Join(temp, file), []byte(content), 0o600))
			}
			stdout := pulumitest.WithOutputs(func(pulumi.MockResourceArgs) resource.PropertyMap {
				return resource.PropertyMap{"stdout": resource.NewProperty(text)}
			})
			_, err := pulumitest.Run(func(ctx *pulumi.Context) error {
				_, err := New(ctx, "cluster", &Args{Config: tc.cluster, temp: temp})
				return err
			}, append(tc.options, stdout)...)
			require.NoError(t, err)
			left, err := filepath.Glob(filepath.Join(temp, "*"))
			require.NoError(t, err)
			require.Equal(t, []string{filepath.Join(temp, "kubeconfig3")}, left)
		})
	}
}

func TestLeftoversAreRemovedInADestroy(t *testing.T) {
	t.Parallel()
	for name, cluster := range map[string]config.Cluster{
		"k3d":      k3dCluster(),
		"existing": {Provider: config.ProviderExisting, Kubeconfig: twoContexts, Context: "first"},
	} {
		_, recorder := build(t, &Args{Config: cluster})
		got, of := find(t, recorder, command, "cluster-leftovers"), find(t, recorder, provider, "cluster")
		require.Equal(t, "sh scripts/cluster-leftovers.sh", got.Inputs["delete"].StringValue(), name)
		require.NotContains(t, got.Inputs, resource.PropertyKey("create"), name)
		require.True(t, got.Inputs["stdin"].IsSecret(), name)
		require.Equal(t, of.Inputs["kubeconfig"], got.Inputs["stdin"], name)
		require.Empty(t, got.DeletedWith, "%s: it would not be run", name)
		require.Contains(t, of.Dependencies, "cluster-leftovers", "%s: it goes after the provider", name)
	}
}

func TestLeftoversThatCannotBeLookedForFailNothing(t *testing.T) {
	t.Parallel()
	build(t, &Args{
		Config: config.Cluster{Provider: config.ProviderExisting, Kubeconfig: twoContexts, Context: "first"},
		temp:   filepath.Join(t.TempDir(), "none"),
	})
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	bad := k3dCluster()
	bad.K3sImage = "k3s:$X"
	for name, tc := range map[string]struct {
		args *Args
		want string
	}{
		"no args":          {nil, "args are missing"},
		"unknown provider": {&Args{Config: config.Cluster{Provider: "kind"}}, `clusterProvider is "kind": allowed are k3d, existing`},
		"no kubeconfig":    {&Args{Config: config.Cluster{Provider: config.ProviderExisting}}, "kubeconfig is empty"},
		"bad k3d setting":  {&Args{Config: bad}, "k3d replaces $"},
	} {
		recorder, err := pulumitest.Run(func(ctx *pulumi.Context) error {
			_, err := New(ctx, "cluster", tc.args)
			return err
		})
		require.ErrorContains(t, err, tc.want, name)
		require.Empty(t, recorder.All(), "%s: nothing is registered", name)
	}
}
