package release

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"canary/internal/kube"
)

// WebhookError is that the API server takes no change of a VirtualService, because the
// webhook of istiod, which checks them, does not answer.
type WebhookError struct {
	// Said is what the API server says.
	Said string
}

// Error says what to look at.
func (e *WebhookError) Error() string {
	return fmt.Sprintf("the API server refuses every change of a VirtualService, because the webhook that checks it does not answer: %s; "+
		"check istiod (`kubectl get pods -A -l app=istiod`), then `pulumi up` again", e.Said)
}

// CheckWritable asks the API server, without changing anything, whether it would
// take a change of the app's VirtualService. The error is a WebhookError while it
// takes none. A missing VirtualService is no error.
func CheckWritable(ctx context.Context, c *kube.Client, app App) error {
	_, err := c.Dynamic().Resource(virtualServices).Namespace(app.Namespace).
		Patch(ctx, app.Name, types.MergePatchType, []byte("{}"), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return explainRefusal(app, err)
}

// explainRefusal says why the API server did not take a change of the app's
// VirtualService; nil when it did.
func explainRefusal(app App, err error) error {
	switch {
	case err == nil:
		return nil
	case kube.WebhookFailed(err.Error()):
		return &WebhookError{Said: kube.OneLine(err.Error())}
	}
	return fmt.Errorf("VirtualService %s/%s cannot be changed: %w", app.Namespace, app.Name, err)
}
