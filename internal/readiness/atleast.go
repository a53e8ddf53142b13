package readiness

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"canary/internal/kube"
	"canary/internal/release"
)

// AtLeast makes the Deployment of a subset ask for so many pods, if it asks for fewer:
// an autoscaler leaves one alone that asks for none.
func AtLeast(ctx context.Context, c *kube.Client, app release.App, subset string, pods int) error {
	s, err := (&clusterWorkloads{client: c, app: app}).snapshot(ctx)
	if err != nil {
		return err
	}
	deployment := s.deployment(subset)
	if deployment == nil || asked(deployment) >= pods {
		return nil
	}
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, pods)
	_, err = c.Dynamic().Resource(appsv1.SchemeGroupVersion.WithResource("deployments")).Namespace(app.Namespace).
		Patch(ctx, deployment.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "canary"}, "scale")
	if err != nil {
		return fmt.Errorf("scale Deployment %s/%s to %d pods: %w", app.Namespace, deployment.Name, pods, err)
	}
	return nil
}
