package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"canary/internal/release"
)

// maxChanges is how many changes an error spells out.
const maxChanges = 3

// CheckPodChange refuses to change the pods of a subset in the update that takes
// weight from it, while the split in force sends it requests: the pods would be
// replaced first, and until the split has moved, requests would meet pods of a
// version that was never meant to serve them. changes are those of the pods, a
// line each.
func (r *Rollout) CheckPodChange(ctx context.Context, cluster Cluster, subset string, changes []string) error {
	inForce, err := r.inForce(ctx, cluster)
	switch {
	case apierrors.IsNotFound(err), errors.Is(err, release.ErrNoSplit):
		return nil // nothing is known to be sent to it
	case err != nil:
		return fmt.Errorf("the split in force has to be known before the pods of subset %s are changed: %w", subset, err)
	case !inForce.Gains(subset, r.want.Split):
		return nil
	}
	shown := changes
	if len(shown) > maxChanges {
		shown = append(slices.Clone(shown[:maxChanges]), fmt.Sprintf("and %d more", len(changes)-maxChanges))
	}
	return fmt.Errorf(`this update would change the pods of subset %s and take weight from it, while it serves requests
  split in force: %s
  wanted split:   %s
  changes of its pods:
    %s
neither its pods nor the split were changed. Do it in two steps:
  1. undo the changes of its pods in the configuration, leave canaryWeight as it is, and type `+"`pulumi up`"+`: the split moves
  2. make the changes again and type `+"`pulumi up`"+`: the pods follow`,
		subset, inForce, r.want.Split, strings.Join(shown, "\n    "))
}
