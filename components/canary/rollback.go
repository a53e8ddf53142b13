package canary

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"canary/internal/release"
)

// RollBackFirst takes weight from the canary, when the configuration gives it
// less than the split in force does, before anything else of the stack is
// touched: what is wrong with another resource, a chart repository or an image
// must not hold a roll back up. The update then goes on and records the split
// with the VirtualService, as every other. after is what to depend on so as to
// come later: the resources needed, once the split is safe. Nothing is done in a
// preview.
func RollBackFirst(ctx *pulumi.Context, args *Args, needed []pulumi.Resource) (after pulumi.ResourceArrayInput, err error) {
	if args == nil || args.Config == nil || args.Kubeconfig == nil {
		return nil, errors.New("canary: args, its config and its kubeconfig must not be nil")
	}
	if ctx.DryRun() {
		return pulumi.NewResourceArray(needed...), nil
	}
	b := newBuilder(ctx, "roll back", args, nil)
	done := b.inCluster(func(ctx context.Context, app live) error {
		return b.rollout.rollBack(ctx, app, b.voice(nil))
	})
	return done.ApplyT(func(any) []pulumi.Resource { return needed }).(pulumi.ResourceArrayOutput), nil
}

func (r rollout) rollBack(ctx context.Context, app live, say voice) error {
	inForce, err := app.split(ctx)
	switch {
	case apierrors.IsNotFound(err), errors.Is(err, release.ErrNoSplit):
		return nil // there is nothing to take weight from; the update writes it
	case err != nil:
		return err
	case !gains(canarySubset, r.split, inForce):
		return nil
	}
	// Pods that are fewer than wanted are better than a sick canary. Without any,
	// the guard of the update says what is missing.
	if ready, err := app.anyReady(ctx, stableSubset); err != nil || !ready {
		return err
	}
	by := ""
	if author, err := app.author(ctx); err == nil && author != "" && !ours(author) {
		by = ", written by " + author
	}
	say.info(fmt.Sprintf("rolling back before anything else: the split in force is %s%s", inForce, by))
	r.before.Store(app.look(ctx))
	if err := app.write(ctx, r.split); err != nil {
		return fmt.Errorf("the split stays %s, and traffic goes on as before: %w", inForce.Short(), err)
	}
	return r.converge(ctx, app, say)
}

// ours reports whether an author is the stack itself: Pulumi's provider, or a
// roll back of this program.
func ours(author string) bool {
	return strings.HasPrefix(author, "pulumi-kubernetes") || strings.HasPrefix(author, "canary ")
}

// driftError says what somebody else did to the cluster so that no wait brings the
// split to the proxies: the VirtualService holds another one, or nothing lets
// requests in.
type driftError struct{ message string }

func (e *driftError) Error() string { return e.message }

// driftPause is how often the VirtualService is looked at during a wait.
const driftPause = time.Second

// endOnDrift is a context that ends with a *driftError as its cause when there is
// one. stop ends the looking.
func (r rollout) endOnDrift(parent context.Context, app live) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	go func() {
		for {
			if err := r.drift(ctx, app); err != nil {
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
func (r rollout) drift(ctx context.Context, app live) error {
	inForce, err := app.split(ctx)
	const repair = "nothing was changed; `pulumi up --refresh` writes the configured split"
	switch {
	case apierrors.IsNotFound(err):
		return &driftError{fmt.Sprintf("the VirtualService is gone, so that nothing splits traffic: somebody deleted it (%v); %s", err, repair)}
	case errors.Is(err, release.ErrNoSplit):
		return &driftError{err.Error()}
	case err != nil:
		return nil //nolint:nilerr // the wait itself tells that the cluster does not answer
	case inForce.Equal(r.split):
		if off, err := app.gatewayOff(ctx, r.gateway); err == nil && off != "" {
			return &driftError{fmt.Sprintf("the split %s is written, but there is no way in, and ingress traffic fails: %s", r.split, off)}
		}
		return nil
	}
	by := ""
	if author, err := app.author(ctx); err == nil && author != "" {
		by = ", as " + author + " wrote it"
	}
	return &driftError{fmt.Sprintf("the VirtualService holds the split %s%s; the configuration says %s. This may be somebody's roll back: %s",
		inForce, by, r.split, repair)}
}
