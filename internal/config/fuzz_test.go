package config

import (
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever is accepted is a number from 0 to 100 that is held exactly, survives being written and read
// again, and is split in exactly that ratio.
func FuzzWeight(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		weight, err := ParseWeight(text)
		if err != nil {
			return
		}
		require.True(t, weight >= 0 && weight <= maxWeight)
		percent, ok := new(big.Rat).SetString(text)
		require.True(t, ok, "not a number")
		require.Zero(t, percent.Cmp(big.NewRat(int64(weight), int64(onePercent))), "not exact")

		again, err := ParseWeight(weight.String())
		require.NoError(t, err)
		require.Equal(t, weight, again)

		stable, canary := weight.Split()
		sum := stable + canary
		require.Contains(t, []int32{100, 10000}, sum)
		require.True(t, stable >= 0 && canary >= 0)
		require.Equal(t, int64(weight)*int64(sum), int64(canary)*int64(maxWeight), "another ratio")
	})
}

// The input is one KEY=value a line. Parse either tells every problem on a line of its own and gives no
// Config, or gives one that keeps every promise of its fields' comments.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		values := map[string]string{}
		for line := range strings.SplitSeq(text, "\n") {
			key, value, _ := strings.Cut(line, "=")
			values[key] = value
		}
		config, err := Parse(values)
		if err != nil {
			require.Nil(t, config)
			checkReport(t, err.Error(), values)
			return
		}
		checkPromises(t, config)
	})
}

func checkReport(t *testing.T, report string, values map[string]string) {
	t.Helper()
	header, problems, _ := strings.Cut(report, "\n")
	lines := strings.Split(problems, "\n")
	require.Regexp(t, `^[1-9][0-9]* problems? in the stack's configuration:$`, header)
	for _, line := range lines {
		require.Regexp(t, `^  ((canaryPod|pod): [^\x00-\x1f]*$|[^\x00-\x1f]*: (found .*; allowed: .*; (for example|run): pulumi|no such key; nearest: ).*$)`, line)
	}
	// The message must not depend on what the kubeconfig is.
	if values["kubeconfig"] != "" {
		values["kubeconfig"] = "another"
		_, err := Parse(values)
		require.EqualError(t, err, report)
	}
}

func checkPromises(t *testing.T, c *Config) {
	t.Helper()
	require.True(t, c.CanaryWeight >= 0 && c.CanaryWeight <= maxWeight)
	require.True(t, c.CanaryReplicas > 0 || c.CanaryWeight == 0)
	require.Positive(t, c.StableReplicas)
	require.LessOrEqual(t, len(c.Name+"-canary"), 63)
	require.NotEmpty(t, c.Namespace)
	require.NotEmpty(t, c.Hosts)
	for i, host := range c.Hosts {
		require.True(t, isHost(host))
		require.NotContains(t, serviceHosts(c), host)
		require.NotContains(t, c.Hosts[:i], host)
	}
	require.False(t, c.StableImage != "" && c.CanaryImage == "")
	require.Equal(t, c.Cluster.Provider == ProviderExisting, c.Cluster.Kubeconfig != "")
	require.True(t, c.Istio.Install || c.Cluster.Provider == ProviderExisting)
	require.NotNil(t, c.Istio.Values)
	require.NotEmpty(t, c.Istio.Tag)
	for _, image := range append([]string{c.Cluster.K3sImage}, c.Cluster.ImportImages...) {
		require.True(t, isPinnedReference(image))
	}
}
