package readiness

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"canary/internal/kube"
	"canary/internal/mesh"
	"canary/internal/release"
)

// SubsetStatus is the pods of one subset.
type SubsetStatus struct {
	Name          string
	Found         bool   // it has a Deployment
	Ready, Wanted int    // pods of the newest version
	Older         int    // pods of the versions before
	Image         string // of the newest version
}

// Subsets looks at the pods of both subsets, stable first.
func Subsets(ctx context.Context, c *kube.Client, app release.App) ([]SubsetStatus, error) {
	return subsets(ctx, &clusterWorkloads{client: c, app: app}, app)
}

func subsets(ctx context.Context, w workloads, app release.App) ([]SubsetStatus, error) {
	s, err := w.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	var found []SubsetStatus
	for _, name := range []string{release.Stable, release.Canary} {
		status := SubsetStatus{Name: name}
		if deployment := s.deployment(name); deployment != nil {
			status.Found, status.Wanted = true, asked(deployment)
			status.Image = image(&deployment.Spec.Template.Spec)
			state := s.subset(app, name, release.Fixed(status.Wanted))
			status.Ready, status.Older = len(state.ready), state.older
		}
		found = append(found, status)
	}
	return found, nil
}

// image is the app's own, not that of a sidecar.
func image(spec *corev1.PodSpec) string {
	for _, container := range spec.Containers {
		if container.Name != mesh.ProxyContainer {
			return container.Image
		}
	}
	return ""
}
