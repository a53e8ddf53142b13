package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"canary/internal/drift"
	"canary/internal/release"
)

// driftError says what somebody else did to the cluster so that no wait brings the
// split to the proxies: the VirtualService holds another one, or nothing lets
// requests in.
type driftError struct{ message string }

func (e *driftError) Error() string { return e.message }

// changed says what somebody else changed, and what takes it back.
func changed(changes []drift.Change) *driftError {
	return &driftError{fmt.Sprintf("somebody else changed the stack's objects:\n%s\n`pulumi up --refresh` takes this back", drift.Lines(changes))}
}

// driftPause is how often the VirtualService is looked at during a wait.
const driftPause = time.Second

// endOnDrift is a context that ends with a *driftError as its cause when there is
// one. objects looks at those that the wait needs. stop ends the looking.
func (r *Rollout) endOnDrift(parent context.Context, cluster Cluster, objects func(context.Context, Cluster) error) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	go func() {
		looks := []func(context.Context, Cluster) error{r.drift}
		for {
			for _, look := range looks {
				if err := look(ctx, cluster); err != nil {
					cancel(err)
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(driftPause):
			}
			// Most waits are over by now, and were not held up.
			looks = []func(context.Context, Cluster) error{r.drift, objects}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// anyChange counts each change of an object that is written.
func anyChange(drift.Change) bool { return true }

// byOthers counts a change that somebody else is known to have made, for objects that are
// not written yet.
func byOthers(change drift.Change) bool { return change.Gone || change.By != "" }

// driftOf looks at the objects of some kinds, without which no wait brings the split to
// the proxies, for changes that count; it gives nil where they cannot be read.
func (r *Rollout) driftOf(kinds []string, counts func(drift.Change) bool) func(context.Context, Cluster) error {
	objects := r.objects(kinds...)
	return func(ctx context.Context, cluster Cluster) error {
		changes, err := cluster.Changes(ctx, objects)
		changes = slices.DeleteFunc(slices.Clone(changes), func(change drift.Change) bool { return !counts(change) })
		if err != nil || len(changes) == 0 {
			return nil //nolint:nilerr // the wait itself tells that the cluster does not answer
		}
		return &driftError{fmt.Sprintf("the split %s is written, but %v", r.want.Split, changed(changes))}
	}
}

// lostNamespace names the namespace, if it is the stack's own and gone.
func (r *Rollout) lostNamespace(ctx context.Context, cluster Cluster) string {
	changes, err := cluster.Changes(ctx, r.objects("Namespace"))
	if err != nil || len(changes) == 0 || !changes[0].Gone {
		return "" // it cannot be read, or is there
	}
	return changes[0].Object.String()
}

// objects are the stack's own of some kinds.
func (r *Rollout) objects(kinds ...string) []drift.Object {
	return slices.DeleteFunc(slices.Clone(r.want.Objects), func(object drift.Object) bool { return !slices.Contains(kinds, object.Kind) })
}

// drift compares the VirtualService with the wanted split, and looks whether there
// is a way in; it is nil where they cannot be read, which the wait itself tells.
func (r *Rollout) drift(ctx context.Context, cluster Cluster) error {
	inForce, err := cluster.Live(ctx)
	const repair = "nothing was changed; `pulumi up --refresh` writes the configured split"
	switch {
	case apierrors.IsNotFound(err):
		if namespace := r.lostNamespace(ctx, cluster); namespace != "" {
			return &driftError{fmt.Sprintf("%s is gone, and all that was in it: somebody deleted it; `pulumi up --refresh` makes all of it again", namespace)}
		}
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
	if inForce.By != "" {
		by = ", as " + inForce.By + " wrote it"
	}
	return &driftError{fmt.Sprintf("the VirtualService holds the split %s%s; the configuration says %s. This may be somebody's roll back: %s",
		inForce, by, r.want.Split, repair)}
}
