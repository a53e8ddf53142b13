//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

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

// serveRegistry runs the registry on the node's own network until the test is over.
func serveRegistry(t *testing.T, c *kube.Client) {
	t.Helper()
	pods := harness.Objects(c, harness.PodResource, "default")
	const name = "e2e-registry"
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			HostNetwork:                   true,
			TerminationGracePeriodSeconds: new(int64),
			Containers:                    []corev1.Container{{Name: "registry", Image: harness.ImageRegistry, ImagePullPolicy: corev1.PullNever}},
		},
	})
	require.NoError(t, err)
	_, err = pods.Create(t.Context(), &unstructured.Unstructured{Object: object}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		// The test's own context has ended.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err := pods.Delete(ctx, name, metav1.DeleteOptions{})
		require.True(t, err == nil || apierrors.IsNotFound(err), "%v", err)
	})
	harness.Eventually(t, time.Minute, func(ctx context.Context) error {
		found, err := c.Pods(ctx, "default", "")
		if err != nil {
			return err
		}
		for _, pod := range found {
			if pod.Name == name && len(harness.Ready([]corev1.Pod{pod})) == 1 {
				return nil
			}
		}
		return errors.New("the registry is not ready")
	})
}
