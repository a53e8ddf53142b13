package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"canary/internal/release"
)

// driftError says what somebody else did to the cluster so that no wait brings the
// split to the proxies: the VirtualService holds another one, or nothing lets
// requests in.
type driftError struct{ message string }

func (e *driftError) Error() string { return e.message }

// driftPause is how often the VirtualService is looked at during a wait.
const driftPause = time.Second

// endOnDrift is a context that ends with a *driftError as its cause when there is
// one. stop ends the looking.
func (r *Rollout) endOnDrift(parent context.Context, cluster Cluster) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	go func() {
		for {
			if err := r.drift(ctx, cluster); err != nil {
				cancel(err)
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(driftPause):
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// drift compares the VirtualService with the wanted split, and looks whether there
// is a way in; it is nil where they cannot be read, which the wait itself tells.
func (r *Rollout) drift(ctx context.Context, cluster Cluster) error {
	inForce, err := cluster.Split(ctx)
	const repair = "nothing was changed; `pulumi up --refresh` writes the configured split"
	switch {
	case apierrors.IsNotFound(err):
		return &driftError{fmt.Sprintf("the VirtualService is gone, so that nothing splits traffic: somebody deleted it (%v); %s", err, repair)}
	case errors.Is(err, release.ErrNoSplit):
		return &driftError{err.Error()}
	case err != nil:
		return nil //nolint:nilerr // the wait itself tells that the cluster does not answer
	case inForce.Equal(r.want.Split):
		if off, err := cluster.GatewayOff(ctx, r.want.Gateway); err == nil && off != "" {
			return &driftError{fmt.Sprintf("the split %s is written, but there is no way in, and ingress traffic fails: %s", r.want.Split, off)}
		}
		return nil
	}
	by := ""
	if author, err := cluster.Author(ctx); err == nil && author != "" {
		by = ", as " + author + " wrote it"
	}
	return &driftError{fmt.Sprintf("the VirtualService holds the split %s%s; the configuration says %s. This may be somebody's roll back: %s",
		inForce, by, r.want.Split, repair)}
}
