package rollout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"canary/internal/converge"
	"canary/internal/drift"
	"canary/internal/release"
)

// warmTimeout bounds the wait for the proxies' clusters.
const warmTimeout = 10 * time.Second

// lookAge is how old a look at what istiod knows may be when the split is written: what
// istiod sends in between, for other reasons, may be taken for the split.
const lookAge = 200 * time.Millisecond

// readAge is how old a reading of the VirtualService may be when something is decided by
// it: mostly the phases before the write come right after each other, and one is enough.
const readAge = time.Second

// podsGrace is how long pods may take to say what is wrong with them, once an object
// was seen that somebody else changed.
const podsGrace = time.Second

// Wanted is where a rollout leads.
type Wanted struct {
	Split release.Split
	// Pods is the wanted number of pods by subset.
	Pods map[string]release.Pods
	// Timeout is the longest wait for the proxies.
	Timeout time.Duration
	// Objects are those of the app, as the stack writes them.
	Objects []drift.Object
	// Gateway is the value of the label istio of the ingress gateway's pods.
	Gateway string
	// CanaryAsked is whether requests reach the canary beside the split.
	CanaryAsked bool
}

// Voice says to the user what happens: a line of progress is shown until the
// next line, the others stay.
type Voice struct{ Progress, Info, Warn func(string) }

// Rollout is one update's way to a split; the package comment has its phases.
type Rollout struct {
	want Wanted
	// before is what istiod knew right before the write; empty when there is none.
	before atomic.Pointer[converge.Before]
	// rolledBack says that RollBack has written the split.
	rolledBack atomic.Bool
	// read is the last reading of the VirtualService; nil after a write.
	read atomic.Pointer[reading]
}

type reading struct {
	live release.Live
	at   time.Time
}

// New is a rollout that has not begun.
func New(want Wanted) *Rollout { return &Rollout{want: want} }

// inForce is the split in force.
func (r *Rollout) inForce(ctx context.Context, cluster Cluster) (release.Live, error) {
	if read := r.read.Load(); read != nil && time.Since(read.at) < readAge {
		return read.live, nil
	}
	at := time.Now()
	live, err := cluster.Live(ctx)
	if err == nil {
		r.read.Store(&reading{live, at})
	}
	return live, err
}

// RollBack takes weight from the canary when it has more than is wanted, and waits
// for the proxies.
func (r *Rollout) RollBack(ctx context.Context, cluster Cluster, say Voice) error {
	inForce, err := r.inForce(ctx, cluster)
	switch {
	case apierrors.IsNotFound(err), errors.Is(err, release.ErrNoSplit):
		return nil // there is nothing to take weight from; the update writes it
	case err != nil:
		return err
	case !inForce.Gains(release.Canary, r.want.Split):
		return nil
	}
	// Each takes a turn to the API server and back.
	var ready bool
	var before *converge.Before
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		ready, err = cluster.AnyReady(groupCtx, release.Stable)
		return err
	})
	group.Go(func() error {
		before = cluster.Look(groupCtx)
		return nil
	})
	// Pods that are fewer than wanted are better than a sick canary. Without any,
	// the guard of the update says what is missing.
	if err := group.Wait(); err != nil || !ready {
		return err
	}
	by := ""
	if inForce.By != "" && !release.Ours(inForce.By) {
		by = ", written by " + inForce.By
	}
	say.Info(fmt.Sprintf("taking weight from the canary before anything else: the split in force is %s%s", inForce, by))
	r.before.Store(before)
	r.rolledBack.Store(true)
	r.read.Store(nil)
	err = untilWebhookAnswers(ctx, say, func() error { return cluster.Write(ctx, inForce, r.want.Split) })
	if err != nil {
		return staysAsBefore(inForce.Split, err)
	}
	// Not whether the proxies can reach the subsets: a DestinationRule that somebody
	// changed is written by the rest of the update, and looked at after it.
	// Nor what this update itself changes, such as the hosts: it is not written yet.
	return r.await(ctx, cluster, cluster.ConvergeRoutes, say, byOthers, "Gateway", "VirtualService")
}

// Guard holds the split back until the subsets that it moves towards have their
// wanted pods ready. The VirtualService is to be written right after it.
func (r *Rollout) Guard(ctx context.Context, cluster Cluster, say Voice) error {
	if r.rolledBack.Load() {
		return nil // the split has moved; what is written now is the rest of the object
	}
	inForce, err := r.inForce(ctx, cluster)
	switch {
	case err != nil: // the first update, or weights that somebody made impossible
		if err := r.guardFirst(ctx, cluster, apierrors.IsNotFound(err), say); err != nil {
			return err
		}
	case !inForce.Equal(r.want.Split):
		return r.guardMove(ctx, cluster, inForce.Split, say)
	case r.want.CanaryAsked: // it may be new
		if err := r.waitForGaining(ctx, cluster, inForce.Split, say); err != nil {
			return fmt.Errorf("%s%w", routesStay, err)
		}
	} // else only the rest of the object changes
	r.before.Store(cluster.Look(ctx))
	return nil
}

// guardMove guards the way from a split to another. Mostly the pods are ready, and
// nothing has to be waited for: all is asked at once, since each question takes a turn
// to the API server and back.
func (r *Rollout) guardMove(ctx context.Context, cluster Cluster, inForce release.Split, say Voice) error {
	var before *converge.Before
	var looked time.Time
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		err := untilWebhookAnswers(groupCtx, say, func() error { return cluster.CheckWritable(groupCtx) })
		if err != nil {
			return staysAsBefore(inForce, err)
		}
		return nil
	})
	group.Go(func() error {
		if err := r.waitForGaining(groupCtx, cluster, inForce, say); err != nil {
			return fmt.Errorf("the split stays %s: %w", inForce.Short(), err)
		}
		return nil
	})
	group.Go(func() error {
		before, looked = cluster.Look(groupCtx), time.Now()
		return nil
	})
	group.Go(func() error {
		r.compare(groupCtx, cluster, inForce, say)
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	if time.Since(looked) > lookAge {
		before = cluster.Look(ctx)
	}
	if r.want.Split.Gains(release.Canary, inForce) {
		if causes := cluster.Blocked(before, release.Split{Canary: 1}); causes != "" {
			return fmt.Errorf("the split stays %s, since requests to the canary would be answered 503: %s", inForce.Short(), causes)
		}
	}
	r.before.Store(before)
	return nil
}

// untilWebhookAnswers tries a write of the split again for some time while istiod's
// webhook does not answer, as while istiod is being replaced.
func untilWebhookAnswers(ctx context.Context, say Voice, write func() error) error {
	const patience, pause = 20 * time.Second, time.Second
	for begin := time.Now(); ; {
		err := write()
		if away := new(release.WebhookError); !errors.As(err, &away) || time.Since(begin) >= patience {
			return err
		}
		say.Progress("the webhook of istiod that checks the split does not answer: trying again")
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// guardFirst guards a split where none is known to be in force. When there is not
// even an object for it, the proxies must be able to use both subsets, before the
// first VirtualService leads them there. Later ones need no wait: the
// DestinationRule names both subsets always, so a proxy that has a route has its
// clusters, and a change of the weight costs nothing here.
func (r *Rollout) guardFirst(ctx context.Context, cluster Cluster, noObject bool, say Voice) error {
	err := r.waitForGaining(ctx, cluster, release.Split{}, say)
	if err == nil && noObject {
		err = r.warm(ctx, cluster, say)
	}
	if err != nil {
		return fmt.Errorf("the split was not written: %w", err)
	}
	return nil
}

// waitForGaining waits for the pods of the subsets whose share grows, and for the
// canary's when requests reach it beside the split. One that loses weight is never
// waited for: rolling back from a sick canary must work at once.
func (r *Rollout) waitForGaining(ctx context.Context, cluster Cluster, inForce release.Split, say Voice) error {
	pods := maps.Clone(r.want.Pods)
	asked := r.want.CanaryAsked && !inForce.Gains(release.Canary, r.want.Split)
	maps.DeleteFunc(pods, func(subset string, _ release.Pods) bool {
		wanted := asked && subset == release.Canary
		return !wanted && !r.want.Split.Gains(subset, inForce)
	})
	return cluster.WaitReady(ctx, pods, say.Progress)
}

// warm waits until the proxies can use both subsets. A proxy that lags does not
// hold the route back: it is not told of the route before it is told of the
// subsets.
func (r *Rollout) warm(ctx context.Context, cluster Cluster, say Voice) error {
	err := cluster.Warm(ctx, min(r.want.Timeout, warmTimeout), say.Progress)
	if lag := new(converge.ClusterLagError); errors.As(err, &lag) {
		say.Warn(lag.Error() + "\nthe first requests through them may be answered 503")
		return nil
	}
	return err
}

// Converge waits until every proxy serves the split, and says so.
func (r *Rollout) Converge(ctx context.Context, cluster Cluster, say Voice) error {
	return r.await(ctx, cluster, cluster.Converge, say, anyChange, "Service", "Gateway", "DestinationRule", "EnvoyFilter", "VirtualService")
}

// wait is one of the two waits for the proxies.
type wait func(ctx context.Context, before *converge.Before, split release.Split, timeout time.Duration, report func(string)) (converge.Converged, error)

// await ends early when an object of the kinds that the wait needs has a change that counts.
func (r *Rollout) await(ctx context.Context, cluster Cluster, wait wait, say Voice, counts func(drift.Change) bool, needed ...string) error {
	ctx, stop := r.endOnDrift(ctx, cluster, r.driftOf(needed, counts))
	defer stop()
	converged, err := wait(ctx, r.before.Load(), r.want.Split, r.want.Timeout, say.Progress)
	if drift := new(driftError); errors.As(context.Cause(ctx), &drift) {
		return drift
	}
	if lag := new(converge.LagError); errors.As(err, &lag) && lag.NoGateway {
		return fmt.Errorf("%w\nthe Gateway selects pods with the label istio=%s", err, r.want.Gateway)
	}
	if err != nil {
		return err
	}
	proxies := fmt.Sprintf("all %d proxies", converged.Proxies)
	if converged.Proxies == 1 {
		proxies = "the only proxy"
	}
	say.Info(fmt.Sprintf("split %s is served by %s after %.2f s", r.want.Split.Short(), proxies, converged.Elapsed.Seconds()))
	return nil
}

// Finish looks at the pods of both subsets, also of one that has lost weight, and
// at what others changed in the app's objects meanwhile.
func (r *Rollout) Finish(parent context.Context, cluster Cluster, say Voice) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	var drift *driftError
	waited, looked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(looked)
		// What cannot be read is not known to have changed; the pods say more.
		changes, err := cluster.Changes(ctx, r.want.Objects)
		if err != nil || len(changes) == 0 {
			return
		}
		drift = changed(changes)
		select {
		case <-waited:
		case <-time.After(podsGrace):
			cancel(drift)
		}
	}()
	err := cluster.WaitReady(ctx, r.want.Pods, say.Progress)
	close(waited)
	<-looked
	switch {
	case drift != nil && (err == nil || context.Cause(ctx) != nil):
		err = drift
	case drift != nil:
		err = fmt.Errorf("%w\n%w", drift, err)
	}
	if err != nil {
		return fmt.Errorf("the split %s%s%w", r.want.Split.Short(), servedBut, err)
	}
	return nil
}

func staysAsBefore(inForce release.Split, err error) error {
	return fmt.Errorf("the split stays %s, and traffic goes on as before: %w", inForce.Short(), err)
}
