package release

import (
	"context"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"canary/internal/kube"
)

const (
	// orderKey is the annotation of the VirtualService with the order for its promotion.
	orderKey = "canary/order"
	// orderManager is the fieldManager of the orders, apart from that of the split.
	orderManager = "canary-order"
)

// LiveOrder is the order that the app's VirtualService has for its promotion; "" is none.
func LiveOrder(ctx context.Context, c *kube.Client, app App) (string, error) {
	object, err := virtualService(ctx, c, app)
	if err != nil {
		return "", err
	}
	return object.GetAnnotations()[orderKey], nil
}

// WriteOrder sets the order, and nothing else of the VirtualService; "" removes it.
func WriteOrder(ctx context.Context, c *kube.Client, app App, order string) error {
	value := any(order)
	if order == "" {
		value = nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{orderKey: value}}})
	if err != nil {
		return err
	}
	_, err = c.Dynamic().Resource(virtualServices).Namespace(app.Namespace).
		Patch(ctx, app.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: orderManager})
	return explainRefusal(app, err)
}
