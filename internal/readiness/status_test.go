package readiness

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"canary/internal/mesh"
	"canary/internal/release"
)

func TestSubsets(t *testing.T) {
	t.Parallel()
	s := deployed(release.Stable, readyPod("new"), startingPod(), readyPod("old"))
	s.deployments[0].Spec.Replicas = new(int32(2))
	s.deployments[0].Spec.Template.Spec.Containers = []corev1.Container{{Name: mesh.ProxyContainer, Image: "proxy"}, {Name: "app", Image: "web:1"}}
	found, err := subsets(t.Context(), &fakeWorkloads{build: func(time.Duration) snapshot { return s }}, exampleApp)
	require.NoError(t, err)
	require.Equal(t, []SubsetStatus{
		{Name: release.Stable, Found: true, Ready: 1, Wanted: 2, Older: 1, Image: "web:1"},
		{Name: release.Canary},
	}, found)
}
