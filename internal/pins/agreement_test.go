package pins

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is compiled in has the version of what is fetched: the SDK and the CLI, Istio's API and its charts, and what the
// lab builds in place of the fetched tools.
func TestModulesAgree(t *testing.T) {
	t.Parallel()
	_, k3s, found := strings.Cut(K3sImage, ":")
	require.True(t, found)
	kubernetes, _, found := strings.Cut(k3s, "-k3s")
	require.True(t, found, "the tag of K3S_IMAGE is <Kubernetes version>-k3s<number>")
	_, registry, found := strings.Cut(RegistryImage, ":")
	require.True(t, found)
	for _, want := range []struct{ file, module, version string }{
		{"go.mod", "github.com/pulumi/pulumi/sdk/v3", "v" + PulumiVersion},
		{"lab/parts/pulumi/go.mod", "github.com/pulumi/pulumi/pkg/v3", "v" + PulumiVersion},
		{"lab/parts/pulumi/go.mod", "github.com/pulumi/pulumi/sdk/v3", "v" + PulumiVersion},
		{"lab/parts/k3d/go.mod", "github.com/k3d-io/k3d/v5", "v" + K3dVersion},
		{"lab/parts/registry/go.mod", "github.com/distribution/distribution/v3", "v" + registry},
		{"go.mod", "istio.io/api", "v" + IstioVersion},
		{"go.mod", "k8s.io/client-go", strings.Replace(kubernetes, "v1.", "v0.", 1)},
		{"lab/parts/cluster/go.mod", "k8s.io/kubernetes", kubernetes},
	} {
		text, err := os.ReadFile("../../" + want.file)
		require.NoError(t, err)
		line := regexp.MustCompile(`(?m)^(?:require |\t)` + regexp.QuoteMeta(want.module) + ` (\S+)`).FindStringSubmatch(string(text))
		require.NotNil(t, line, "%s requires no %s", want.file, want.module)
		require.Equal(t, want.version, line[1], "%s in %s, against internal/pins/pins.env", want.module, want.file)
	}
}
