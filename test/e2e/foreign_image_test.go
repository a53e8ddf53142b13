//go:build e2e

package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"canary/internal/kube"
	"canary/test/e2e/harness"
)

// TestForeignImage releases an image that knows nothing of this project: on its own port and readiness path, stable by
// digest from a registry, canary by tag from this machine's Docker. It runs as it is.
func TestForeignImage(t *testing.T) {
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
