package release

import (
	"context"

	"k8s.io/apimachinery/pkg/types"

	"canary/internal/kube"
)

// Version says which content the VirtualService has.
type Version struct {
	uid        types.UID
	generation int64
}

// ReadVersion looks at the app's VirtualService; it is zero when that is not there
// or cannot be read.
func ReadVersion(ctx context.Context, c *kube.Client, app App) Version {
	object, err := virtualService(ctx, c, app)
	if err != nil {
		return Version{}
	}
	return Version{uid: object.GetUID(), generation: object.GetGeneration()}
}
