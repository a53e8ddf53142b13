package rollout

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"canary/internal/converge"
	"canary/internal/drift"
	"canary/internal/release"
	"canary/internal/rollout/rollouttest"
)

var (
	errSick = errors.New("subset canary has 0 of 1 pods ready: CrashLoopBackOff")
	errGone = apierrors.NewNotFound(schema.GroupResource{Resource: "virtualservices"}, "app-example")
)

func TestRollBack(t *testing.T) {
	t.Parallel()
	const converged = "converge routes 10/90 within 1m0s"
	half := release.Split{Stable: 50, Canary: 50}
	cases := []struct {
		name  string
		app   *rollouttest.Cluster
		calls []string
		said  string
		err   string
	}{
		{
			name:  "the canary has more than it should",
			app:   &rollouttest.Cluster{InForce: release.Split{Canary: 100}, AuthorAs: "pulumi-kubernetes-1a2b at 2026-11-26 20:15:04 UTC"},
			calls: []string{"roll back to 10/90", converged},
			said:  "taking weight from the canary before anything else: the split in force is stable 0 / canary 100",
		},
		{
			name:  "somebody gave it more",
			app:   &rollouttest.Cluster{InForce: release.Split{Canary: 100}, AuthorAs: "kubectl-patch at 2026-11-26 20:15:04 UTC"},
			calls: []string{"roll back to 10/90", converged},
			said:  "taking weight from the canary before anything else: the split in force is stable 0 / canary 100, written by kubectl-patch at 2026-11-26 20:15:04 UTC",
		},
		{
			name:  "whatever the canary is like",
			app:   &rollouttest.Cluster{InForce: release.Split{Canary: 100}, ReadyErr: map[string]error{release.Canary: errSick}},
			calls: []string{"roll back to 10/90", converged},
			said:  "taking weight from the canary before anything else: the split in force is stable 0 / canary 100",
		},
		{name: "not to a subset without a ready pod", app: &rollouttest.Cluster{InForce: release.Split{Canary: 100}, ReadyErr: map[string]error{release.Stable: errSick}}},
		{name: "the canary gains", app: &rollouttest.Cluster{InForce: half}},
		{name: "nothing moves", app: &rollouttest.Cluster{InForce: release.Split{Stable: 1000, Canary: 9000}}},
		{name: "there is no split yet", app: &rollouttest.Cluster{SplitErr: errGone}},
		{name: "the object holds no split", app: &rollouttest.Cluster{SplitErr: release.ErrNoSplit}},
		{name: "the cluster does not answer", app: &rollouttest.Cluster{SplitErr: errors.New("cluster not reachable")}, err: "cluster not reachable"},
		{
			name:  "the write is refused",
			app:   &rollouttest.Cluster{InForce: release.Split{Canary: 100}, WriteErr: errors.New("istiod does not answer")},
			calls: []string{"roll back to 10/90"},
			said:  "taking weight from the canary before anything else: the split in force is stable 0 / canary 100",
			err:   "the split stays 0/100, and traffic goes on as before: istiod does not answer",
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := New(wanting(90))
			say, said := silent(), []string(nil)
			say.Info = func(line string) { said = append(said, line) }

			err := r.RollBack(t.Context(), tc.app, say)

			requireError(t, tc.err, err)
			require.Equal(t, tc.calls, tc.app.Calls())
			if tc.said == "" {
				require.Empty(t, said)
				return
			}
			require.Equal(t, tc.said, said[0])
		})
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	none := fmt.Errorf("VirtualService: %w", errGone)
	odd := fmt.Errorf("VirtualService: %w", release.ErrNoSplit)
	sick := map[string]error{release.Canary: errSick}
	cases := []struct {
		name     string
		weight   float64
		inForce  release.Split
		splitErr error
		writeErr error
		readyErr map[string]error
		asked    bool // requests reach the canary beside the split
		calls    []string
		err      string
	}{
		{
			name: "first update waits for what gets traffic", weight: 0,
			splitErr: none,
			calls:    []string{"ready map[stable:1]", "warm within 10s"},
		},
		{
			name: "the VirtualService was made impossible by hand", weight: 0,
			splitErr: odd,
			calls:    []string{"ready map[stable:1]"},
		},
		{
			name: "first update with a split waits for both", weight: 50,
			splitErr: none,
			calls:    []string{"ready map[canary:2 stable:1]", "warm within 10s"},
		},
		{
			name: "first update with a sick canary", weight: 50,
			splitErr: none, readyErr: sick,
			calls: []string{"ready map[canary:2 stable:1]"},
			err:   "the split was not written: " + errSick.Error(),
		},
		{
			name: "towards the canary", weight: 50,
			inForce: release.Split{Stable: 100},
			calls:   []string{"ready map[canary:2]"},
		},
		{
			name: "towards a sick canary", weight: 12.5,
			inForce: release.Split{Stable: 95, Canary: 5}, readyErr: sick,
			calls: []string{"ready map[canary:2]"},
			err:   "the split stays 95/5: " + errSick.Error(),
		},
		{
			name: "roll back from a sick canary", weight: 0,
			inForce: release.Split{Stable: 50, Canary: 50}, readyErr: sick,
			calls: []string{"ready map[stable:1]"},
		},
		{
			name: "partly back from a sick canary", weight: 10,
			inForce: release.Split{Stable: 50, Canary: 50}, readyErr: sick,
			calls: []string{"ready map[stable:1]"},
		},
		{
			name: "no write is taken", weight: 50,
			inForce: release.Split{Stable: 100}, writeErr: errors.New("istiod does not answer"),
			calls: []string{"ready map[canary:2]"}, // at the same time
			err:   "the split stays 100/0, and traffic goes on as before: istiod does not answer",
		},
		{
			name: "the same split", weight: 50,
			inForce: release.Split{Stable: 5000, Canary: 5000}, readyErr: sick,
		},
		{
			name: "everything to the canary", weight: 100,
			inForce: release.Split{Stable: 50, Canary: 50},
			calls:   []string{"ready map[canary:2]"},
		},
		{
			name: "first update with a header of the canary's", weight: 0, asked: true,
			splitErr: none,
			calls:    []string{"ready map[canary:2 stable:1]", "warm within 10s"},
		},
		{
			name: "a header of a sick canary's", weight: 0, asked: true,
			inForce: release.Split{Stable: 100}, readyErr: sick,
			calls: []string{"ready map[canary:2]"},
			err:   "the routes stay as they are: " + errSick.Error(),
		},
		{
			name: "roll back from a sick canary that has a header", weight: 0, asked: true,
			inForce: release.Split{Stable: 50, Canary: 50}, readyErr: sick,
			calls: []string{"ready map[stable:1]"},
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			app := &rollouttest.Cluster{InForce: tc.inForce, SplitErr: tc.splitErr, WriteErr: tc.writeErr, ReadyErr: tc.readyErr}
			want := wanting(tc.weight)
			want.Pods[release.Canary], want.CanaryAsked = release.Fixed(2), tc.asked

			err := New(want).Guard(t.Context(), app, silent())

			requireError(t, tc.err, err)
			require.Equal(t, tc.calls, app.Calls())
		})
	}
}

// The first route waits until the proxies can use what it leads to.
func TestWarm(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		timeout time.Duration
		warmErr error
		calls   []string
		warning string
		err     string
	}{
		{name: "all hold both subsets", timeout: time.Minute, calls: []string{"ready map[stable:1]", "warm within 10s"}},
		{name: "no longer than the user waits", timeout: 3 * time.Second, calls: []string{"ready map[stable:1]", "warm within 3s"}},
		{
			name: "a proxy lags", timeout: time.Minute, calls: []string{"ready map[stable:1]", "warm within 10s"},
			warmErr: &converge.ClusterLagError{
				Timeout: 10 * time.Second,
				Lagging: []converge.Lagging{{Namespace: "istio-system", Pod: "gateway-1", Serves: "holds stable alone"}},
			},
			warning: "after 10s not every proxy holds both subsets of the DestinationRule:\n  istio-system/gateway-1 holds stable alone\n" +
				"the first requests through them may be answered 503",
		},
		{
			name: "the API server is gone", timeout: time.Minute, calls: []string{"ready map[stable:1]", "warm within 10s"},
			warmErr: errors.New("cluster not reachable"),
			err:     "the split was not written: cluster not reachable",
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			want := wanting(0)
			want.Timeout = tc.timeout
			app := &rollouttest.Cluster{SplitErr: errGone, WarmErr: tc.warmErr}
			say, warnings := silent(), []string(nil)
			say.Warn = func(line string) { warnings = append(warnings, line) }

			err := New(want).Guard(t.Context(), app, say)

			requireError(t, tc.err, err)
			require.Equal(t, tc.calls, app.Calls())
			require.Equal(t, tc.warning, strings.Join(warnings, "; "))
		})
	}
}

func TestConverge(t *testing.T) {
	t.Parallel()
	lag := errors.New("1 of 5 proxies does not serve it")
	cases := []struct {
		name string
		app  *rollouttest.Cluster
		said []string
		err  string
	}{
		{
			name: "served",
			app:  &rollouttest.Cluster{ConvergeAs: converge.Converged{Proxies: 5, Elapsed: 118 * time.Millisecond}},
			said: []string{"split 50/50 is served by all 5 proxies after 0.12 s"},
		},
		{
			name: "one proxy",
			app:  &rollouttest.Cluster{ConvergeAs: converge.Converged{Proxies: 1, Elapsed: 2 * time.Second}},
			said: []string{"split 50/50 is served by the only proxy after 2.00 s"},
		},
		{name: "a proxy lags", app: &rollouttest.Cluster{ConvergeErr: lag}, err: lag.Error()},
		{
			name: "no gateway",
			app:  &rollouttest.Cluster{ConvergeErr: &converge.LagError{NoGateway: true}},
			err:  (&converge.LagError{NoGateway: true}).Error() + "\nthe Gateway selects pods with the label istio=ingressgateway",
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := New(wanting(50))
			say, said := silent(), []string(nil)
			say.Info = func(line string) { said = append(said, line) }
			tc.app.Written(r.want.Split)

			err := r.Converge(t.Context(), tc.app, say)

			requireError(t, tc.err, err)
			require.Equal(t, tc.said, said)
		})
	}
}

func TestFinish(t *testing.T) {
	t.Parallel()
	r := New(wanting(50))
	require.NoError(t, r.Finish(t.Context(), &rollouttest.Cluster{}, silent()))
	err := r.Finish(t.Context(), &rollouttest.Cluster{ReadyErr: map[string]error{release.Canary: errSick}}, silent())
	require.EqualError(t, err, "the split 50/50 is served, but: "+errSick.Error())
}

// What somebody else changed is told, and what came of it, if that is known at once.
func TestFinishTellsWhatOthersChanged(t *testing.T) {
	t.Parallel()
	app := &rollouttest.Cluster{
		Changed: []drift.Change{
			{Object: drift.Object{Kind: "Deployment", Namespace: "shop", Name: "web"}, Fields: []string{"spec.replicas: 2 => 0"}, By: "kubectl at 2026-11-26 20:15:04 UTC"},
			{Object: drift.Object{Kind: "Service", Namespace: "shop", Name: "web"}, Gone: true},
		},
	}
	const changed = "the split 50/50 is served, but: somebody else changed the stack's objects:\n" +
		"  Deployment shop/web has spec.replicas: 2 => 0, as kubectl at 2026-11-26 20:15:04 UTC wrote it\n" +
		"  Service shop/web is gone: somebody deleted it\n" +
		"`pulumi up --refresh` takes this back"
	require.EqualError(t, New(wanting(50)).Finish(t.Context(), app, silent()), changed)
	app.ReadyErr = map[string]error{release.Stable: errSick}
	require.EqualError(t, New(wanting(50)).Finish(t.Context(), app, silent()), changed+"\n"+errSick.Error())
	synctest.Test(t, func(t *testing.T) {
		require.EqualError(t, New(wanting(50)).Finish(t.Context(), waitingCluster{app}, silent()), changed, "pods that may come are not waited for")
	})
}

// waitingCluster has pods that never become ready.
type waitingCluster struct{ *rollouttest.Cluster }

func (waitingCluster) WaitReady(ctx context.Context, _ map[string]release.Pods, _ func(string)) error {
	<-ctx.Done()
	return ctx.Err()
}

// The canary gains nothing while its requests would fail; it may lose.
func TestGuardBlocked(t *testing.T) {
	t.Parallel()
	const causes = "DestinationRule default/other stands in place of the app's and has no subset canary: add what is missing, or remove it"
	for weight, want := range map[float64]string{
		60: "the split stays 50/50, since requests to the canary would be answered 503: " + causes,
		50: "",
		0:  "",
	} {
		app := &rollouttest.Cluster{InForce: release.Split{Stable: 50, Canary: 50}, BlockedBy: causes}
		requireError(t, want, New(wanting(weight)).Guard(t.Context(), app, silent()))
	}
	unknown := &rollouttest.Cluster{SplitErr: release.ErrNoSplit, BlockedBy: causes}
	require.NoError(t, New(wanting(0)).Guard(t.Context(), unknown, silent()), "there is no split to keep")
}

// The VirtualService is read once before it is written.
func TestOneReading(t *testing.T) {
	t.Parallel()
	app := &rollouttest.Cluster{InForce: release.Split{Stable: 50, Canary: 50}, LookAs: &converge.Before{}}
	r := New(wanting(90))
	require.NoError(t, r.RollBack(t.Context(), app, silent()))
	require.NoError(t, r.CheckPodChange(t.Context(), app, release.Canary, []string{"image"}))
	require.NoError(t, r.Guard(t.Context(), app, silent()))
	require.Equal(t, 1, app.Readings, "the canary gains")

	app = &rollouttest.Cluster{InForce: release.Split{Stable: 50, Canary: 50}, WriteErr: errors.New("istiod does not answer")}
	require.Error(t, New(wanting(10)).RollBack(t.Context(), app, silent()))
	require.Equal(t, 1, app.Readings, "the canary loses")
}

// What a roll back has written needs no guard: the rest of the update only records it.
func TestGuardAfterRollBack(t *testing.T) {
	t.Parallel()
	app := &rollouttest.Cluster{InForce: release.Split{Stable: 50, Canary: 50}, LookAs: &converge.Before{}}
	r := New(wanting(10))
	require.NoError(t, r.RollBack(t.Context(), app, silent()))
	app.SplitErr, app.LookAs = errGone, nil
	require.NoError(t, r.Guard(t.Context(), app, silent()))
	require.NoError(t, r.Converge(t.Context(), app, silent()))
	require.NotNil(t, app.ConvergedWith, "what there was before the roll back")
}

// Converge is told what there was right before each write.
func TestBefore(t *testing.T) {
	t.Parallel()
	app := &rollouttest.Cluster{InForce: release.Split{Stable: 100}, LookAs: &converge.Before{}}
	guarded := New(wanting(50))
	require.NoError(t, guarded.Guard(t.Context(), app, silent()))
	app.Written(guarded.want.Split)
	require.NoError(t, guarded.Converge(t.Context(), app, silent()))
	require.Same(t, app.LookAs, app.ConvergedWith)

	app.LookAs = &converge.Before{}
	require.NoError(t, New(wanting(10)).RollBack(t.Context(), app, silent()))
	require.Same(t, app.LookAs, app.ConvergedWith)

	require.NoError(t, New(wanting(10)).Converge(t.Context(), app, silent()))
	require.Nil(t, app.ConvergedWith, "nothing was written")
}

func TestUntilWebhookAnswers(t *testing.T) {
	t.Parallel()
	away := fmt.Errorf("write: %w", &release.WebhookError{Said: "connection refused"})
	for name, tc := range map[string]struct {
		err   error
		times int // that the write fails
		took  time.Duration
		want  error
	}{
		"it answers":           {away, 0, 0, nil},
		"istiod is replaced":   {away, 7, 7 * time.Second, nil},
		"istiod stays away":    {away, 1000, 20 * time.Second, away},
		"another error is one": {errSick, 1000, 0, errSick},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begin, tried := time.Now(), 0
				err := untilWebhookAnswers(t.Context(), silent(), func() error {
					if tried++; tried <= tc.times {
						return tc.err
					}
					return nil
				})
				require.Equal(t, tc.want, err)
				require.Equal(t, tc.took, time.Since(begin))
			})
		})
	}
}
