package config

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"
)

type mocks struct{}

func (mocks) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	return args.Name, args.Inputs, nil
}

func (mocks) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) { return args.Args, nil }

// load runs Load in a program of the project "shop".
func load(options ...pulumi.RunOption) (config *Config, err error) {
	options = append(options, pulumi.WithMocks("shop", "dev", mocks{}))
	err = pulumi.RunErr(func(ctx *pulumi.Context) error {
		var err error
		config, err = Load(ctx)
		return err
	}, options...)
	return config, err
}

func TestLoadFromContext(t *testing.T) {
	t.Parallel()
	config, err := load(func(info *pulumi.RunInfo) {
		info.Config = map[string]string{"shop:canaryWeight": "7", "kubernetes:namespace": "x", "pulumi:tags": "x"}
	})
	require.NoError(t, err)
	require.Equal(t, Weight(700), config.CanaryWeight)
}

func TestLoadHidesSecrets(t *testing.T) {
	t.Parallel()
	_, err := load(func(info *pulumi.RunInfo) {
		info.Config = map[string]string{"shop:name": "Hunter2", "shop:agents": "many"}
		info.ConfigSecretKeys = []string{"shop:name"}
	})
	require.ErrorContains(t, err, "name: found a value that is not shown; allowed: ")
	require.ErrorContains(t, err, `agents: found "many"; allowed: `)
}

// The CLI hands a program its configuration in the environment; an object's value is a JSON string.
func TestLoadFromEnvironment(t *testing.T) {
	t.Setenv(pulumi.EnvConfig, `{"shop:canaryWeight":"7","shop:istioValues":"{\"base\":{\"a\":1}}","kubernetes:namespace":"x"}`)
	config, err := load()
	require.NoError(t, err)
	require.Equal(t, Weight(700), config.CanaryWeight)
	require.Equal(t, map[string]any{"base": map[string]any{"a": 1.0}}, config.Istio.Values)
}

func TestLoadRefusesUnknownKeys(t *testing.T) {
	t.Setenv(pulumi.EnvConfig, `{"shop:cannaryWeight":"7","other:colour":"7"}`)
	_, err := load()
	require.ErrorContains(t, err, "1 problem in the stack's configuration:\n"+
		"  cannaryWeight: no such key; nearest: canaryWeight; run: pulumi config rm cannaryWeight")
}

func TestLoadBrokenEnvironment(t *testing.T) {
	t.Setenv(pulumi.EnvConfig, `{"shop:kubeconfig":"hunter2"`)
	_, err := load()
	require.ErrorContains(t, err, "read the stack's configuration from PULUMI_CONFIG: unexpected end of JSON input")
}
