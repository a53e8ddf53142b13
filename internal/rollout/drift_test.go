package rollout

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/converge"
	"canary/internal/drift"
	"canary/internal/release"
	"canary/internal/rollout/rollouttest"
)

// stuckCluster has proxies that serve another split until the wait is ended.
type stuckCluster struct{ *rollouttest.Cluster }

func (s stuckCluster) Converge(ctx context.Context, _ *converge.Before, _ release.Split, _ time.Duration, _ func(string)) (converge.Converged, error) {
	<-ctx.Done()
	return converge.Converged{}, context.Cause(ctx)
}

// slowCluster needs three seconds until the weights are served.
type slowCluster struct{ *rollouttest.Cluster }

func (s slowCluster) ConvergeRoutes(ctx context.Context, _ *converge.Before, _ release.Split, _ time.Duration, _ func(string)) (converge.Converged, error) {
	select {
	case <-ctx.Done():
		return converge.Converged{}, context.Cause(ctx)
	case <-time.After(3 * time.Second):
		return converge.Converged{Proxies: 1}, nil
	}
}

// What this update changes in the Gateway is not written yet while weight leaves the canary: only what somebody else
// changed there ends that wait.
func TestRollBackBesideAChange(t *testing.T) {
	t.Parallel()
	const says = "Gateway shop/web has spec.servers[0].hosts[1]: b.example => (none)"
	for name, tc := range map[string]struct{ by, err string }{
		"of the stack's own": {"", ""},
		"of somebody else": {"kubectl-edit at 2026-11-26 20:15:04 UTC", "the split stable 100 / canary 0 is written, but somebody else changed the stack's objects:\n  " +
			says + ", as kubectl-edit at 2026-11-26 20:15:04 UTC wrote it\n`pulumi up --refresh` takes this back"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				app := &rollouttest.Cluster{InForce: release.Split{Canary: 100}, Changed: []drift.Change{{
					Object: drift.Object{Kind: "Gateway", Namespace: "shop", Name: "web"}, Fields: []string{"spec.servers[0].hosts[1]: b.example => (none)"}, By: tc.by,
				}}}
				requireError(t, tc.err, New(wanting(0)).RollBack(t.Context(), slowCluster{app}, silent()))
			})
		})
	}
}

func TestDriftEndsTheWait(t *testing.T) {
	t.Parallel()
	const repair = "nothing was changed; `pulumi up --refresh` writes the configured split"
	cases := []struct {
		name string
		app  *rollouttest.Cluster
		err  string
	}{
		{
			name: "somebody rolled back",
			app:  &rollouttest.Cluster{InForce: release.Split{Stable: 100}, AuthorAs: "kubectl-patch at 2026-11-26 20:15:04 UTC"},
			err: "the VirtualService holds the split stable 100 / canary 0, as kubectl-patch at 2026-11-26 20:15:04 UTC wrote it; " +
				"the configuration says stable 50 / canary 50. This may be somebody's roll back: " + repair,
		},
		{
			name: "somebody deleted it",
			app:  &rollouttest.Cluster{SplitErr: errGone},
			err:  "the VirtualService is gone, so that nothing splits traffic: somebody deleted it (" + errGone.Error() + "); " + repair,
		},
		{
			name: "somebody deleted the namespace",
			app:  &rollouttest.Cluster{SplitErr: errGone, Changed: []drift.Change{{Object: drift.Object{Kind: "Namespace", Name: "shop"}, Gone: true}}},
			err:  "Namespace shop is gone, and all that was in it: somebody deleted it; `pulumi up --refresh` makes all of it again",
		},
		{
			name: "the way in is gone",
			app:  &rollouttest.Cluster{InForce: release.Split{Stable: 1, Canary: 1}, Off: "Deployment istio-system/istio-ingressgateway wants 0 pods"},
			err: "the split stable 50 / canary 50 is written, but there is no way in, and ingress traffic fails: " +
				"Deployment istio-system/istio-ingressgateway wants 0 pods",
		},
		{
			name: "somebody changed the Gateway",
			app: &rollouttest.Cluster{InForce: release.Split{Stable: 1, Canary: 1}, Changed: []drift.Change{{
				Object: drift.Object{Kind: "Gateway", Namespace: "shop", Name: "web"}, Fields: []string{"spec.servers[0].hosts[0]: a => b"},
			}}},
			err: "the split stable 50 / canary 50 is written, but somebody else changed the stack's objects:\n" +
				"  Gateway shop/web has spec.servers[0].hosts[0]: a => b\n`pulumi up --refresh` takes this back",
		},
		{name: "somebody made it impossible", app: &rollouttest.Cluster{SplitErr: release.ErrNoSplit}, err: release.ErrNoSplit.Error()},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := New(wanting(50))
			require.EqualError(t, r.Converge(t.Context(), stuckCluster{tc.app}, silent()), tc.err)
		})
	}
}
