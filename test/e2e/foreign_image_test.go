//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/kube"
	"canary/internal/release"
	"canary/test/e2e/harness"
)

// TestForeignImage releases an image that knows nothing of this project: on its own port and readiness path, stable by
// digest from a registry, canary by tag from this machine's Docker. It runs as it is.
func TestForeignImage(t *testing.T) {
	harness.Long(t)
	p := harness.Shared(t)
	c := p.Client(t)
	serveRegistry(t, c)
	p.RestoreAfter(t)

	p.SetAll(t, "stableImage="+harness.ImageByDigest, "canaryImage="+harness.ImageGood, "containerPort=9000", "readinessPath=/ready")
	p.Up(t)
	a := p.Example(t)
	a.RequireSplit(t, 0)
	p.Set(t, "canaryWeight", "50")
	p.Up(t)
	a.RequireSplit(t, 50)
	requireTruth(t, a)

	stable := harness.PodsOf(t, c, a.Namespace, a.Name, "stable")
	require.Len(t, stable, 1)
	container := harness.Spec(t, c, stable[0]).Containers[0]
	require.Equal(t, harness.ImageByDigest, container.Image)
	require.Empty(t, container.Command)
	require.Empty(t, container.Args)
	require.Nil(t, container.SecurityContext)
	for _, status := range stable[0].Status.ContainerStatuses {
		if status.Name == container.Name {
			require.Contains(t, status.ImageID, harness.DigestOf(harness.ImageByDigest))
			t.Logf("stable runs %s", status.ImageID)
		}
	}
}

// requireTruth compares what the proxy says about who answered with what the app says of itself. To a request that does
// not ask, the proxy says nothing.
func requireTruth(t *testing.T, a harness.App) {
	t.Helper()
	seen := map[string]int{}
	for i := range 100 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", a.Port), nil)
		require.NoError(t, err)
		request.Host = a.Host
		if i%2 == 0 {
			request.Header.Set(release.AskHeader, "yes")
		}
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		var answer struct{ Subset string }
		err = json.NewDecoder(response.Body).Decode(&answer)
		require.NoError(t, errors.Join(err, response.Body.Close()))
		for _, subset := range []string{release.Stable, release.Canary} {
			want := ""
			if subset == answer.Subset {
				want = request.Header.Get(release.AskHeader)
			}
			require.Equal(t, want, response.Header.Get(release.AnswerHeader(subset)), "subset %s answered", answer.Subset)
		}
		seen[answer.Subset]++
	}
	require.Len(t, seen, 2, "%v", seen)
}

// serveRegistry runs the registry on the nodes' own network until the test is over.
func serveRegistry(t *testing.T, c *kube.Client) {
	t.Helper()
	harness.RunOnNodes(t, c, "e2e-registry", map[string]any{
		"hostNetwork": true,
		"containers":  []any{map[string]any{"name": "registry", "image": harness.ImageRegistry, "imagePullPolicy": "Never"}},
	})
}
