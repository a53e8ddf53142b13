package mesh

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"canary/internal/kube"
	"canary/internal/release"
)

// Notes are what is to be known of a namespace and keeps nothing from working; each
// may be empty.
type Notes struct{ Info, Warning string }

// CheckNamespace looks at a namespace that is somebody else's, before pods of the app
// with the labels are made in it. It fails when there is no such namespace, or when no
// Istio would give the pods a sidecar. What may not be read is not told.
func CheckNamespace(ctx context.Context, c *kube.Client, app release.App, pod labels.Set) (Notes, error) {
	if err := NamespaceThere(ctx, c, app.Namespace); err != nil {
		return Notes{}, err
	}
	notes := Notes{Warning: plainText(ctx, c, app, pod)}
	injection, err := FindInjection(ctx, c, app.Namespace)
	if apierrors.IsForbidden(err) {
		return notes, nil
	}
	if err != nil {
		return Notes{}, err
	}
	if why := injection.Refuses(pod); why != "" {
		return Notes{}, fmt.Errorf("the app's pods would get no sidecar: %s", why)
	}
	if injection.asksNothing() {
		notes.Info = fmt.Sprintf("namespace %s has no label that asks for sidecars: the app's pods ask for their own by the label %s=true, and nothing of the namespace is changed",
			app.Namespace, LabelInject)
	}
	return notes, nil
}

// NamespaceThere fails when there is no such namespace.
func NamespaceThere(ctx context.Context, c *kube.Client, name string) error {
	found, err := c.Dynamic().Resource(namespaces).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("there is no namespace %s, and createNamespace is false: make it (`kubectl create namespace %s`), "+
			"or let the stack make it, and destroy it, with `pulumi config set createNamespace true`", name, name)
	case err != nil:
		return fmt.Errorf("namespace %s: %w", name, err)
	case found.GetDeletionTimestamp() != nil:
		return fmt.Errorf("namespace %s is being deleted, so that nothing can be made in it: type `pulumi up` again when it is there anew", name)
	}
	return nil
}
