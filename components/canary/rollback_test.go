package canary

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"canary/internal/converge"
	"canary/internal/pulumitest"
	"canary/internal/release"
)

var errGone = apierrors.NewNotFound(schema.GroupResource{Resource: "virtualservices"}, "app-example")

func TestRollBack(t *testing.T) {
	t.Parallel()
	const converged = "converge 10/90 within 1m0s"
	half := release.Split{Stable: 50, Canary: 50}
	cases := []struct {
		name  string
		app   *fakeLive
		calls []string
		said  string
		err   string
	}{
		{
			name:  "the canary has more than it should",
			app:   &fakeLive{inForce: release.Split{Canary: 100}, authorAs: "pulumi-kubernetes-1a2b at 2026-11-26 20:15:04 UTC"},
			calls: []string{"roll back to 10/90", converged},
			said:  "rolling back before anything else: the split in force is stable 0 / canary 100",
		},
		{
			name:  "somebody gave it more",
			app:   &fakeLive{inForce: release.Split{Canary: 100}, authorAs: "kubectl-patch at 2026-11-26 20:15:04 UTC"},
			calls: []string{"roll back to 10/90", converged},
			said:  "rolling back before anything else: the split in force is stable 0 / canary 100, written by kubectl-patch at 2026-11-26 20:15:04 UTC",
		},
		{
			name:  "whatever the canary is like",
			app:   &fakeLive{inForce: release.Split{Canary: 100}, readyErr: map[string]error{canarySubset: errSick}},
			calls: []string{"roll back to 10/90", converged},
			said:  "rolling back before anything else: the split in force is stable 0 / canary 100",
		},
		{name: "not to a subset without a ready pod", app: &fakeLive{inForce: release.Split{Canary: 100}, readyErr: map[string]error{stableSubset: errSick}}},
		{name: "the canary gains", app: &fakeLive{inForce: half}},
		{name: "nothing moves", app: &fakeLive{inForce: release.Split{Stable: 1000, Canary: 9000}}},
		{name: "there is no split yet", app: &fakeLive{splitErr: errGone}},
		{name: "the object holds no split", app: &fakeLive{splitErr: release.ErrNoSplit}},
		{name: "the cluster does not answer", app: &fakeLive{splitErr: errors.New("cluster not reachable")}, err: "cluster not reachable"},
		{
			name:  "the write is refused",
			app:   &fakeLive{inForce: release.Split{Canary: 100}, writeErr: errors.New("istiod does not answer")},
			calls: []string{"roll back to 10/90"},
			said:  "rolling back before anything else: the split in force is stable 0 / canary 100",
			err:   "the split stays 0/100, and traffic goes on as before: istiod does not answer",
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRollout(configuration(t, map[string]string{"canaryWeight": "90"}))
			say, said := silent(), []string(nil)
			say.info = func(line string) { said = append(said, line) }

			err := r.rollBack(t.Context(), tc.app, say)

			requireError(t, tc.err, err)
			require.Equal(t, tc.calls, tc.app.calls)
			if tc.said == "" {
				require.Empty(t, said)
				return
			}
			require.Equal(t, tc.said, said[0])
		})
	}
}

// Nothing is registered before the split is safe, and nothing is read in a preview.
func TestRollBackComesFirst(t *testing.T) {
	t.Parallel()
	app := &orderedLive{fakeLive: fakeLive{inForce: release.Split{Canary: 100}}, hooks: recordedHooks{"app: guard": func(*pulumi.ResourceHookArgs) error { return nil }}}
	program := func(connect connect) pulumi.RunFunc {
		return func(ctx *pulumi.Context) error {
			args := &Args{Config: configuration(t, nil), Kubeconfig: pulumi.String("a kubeconfig"), connect: connect}
			first, err := RollBackFirst(ctx, args, nil)
			if err != nil {
				return err
			}
			_, err = New(ctx, "app", args, pulumi.DependsOnInputs(first))
			return err
		}
	}
	_, err := pulumitest.Run(program(func(string, string, release.App) (live, error) { return app, nil }), pulumitest.WithOutputs(app.registered))
	require.NoError(t, err)
	require.Equal(t, []string{"roll back to 100/0", "converge 100/0 within 1m0s"}, app.calls[:2])
	require.Contains(t, app.calls[2:], "write app-canary")

	never := func(string, string, release.App) (live, error) { return nil, errors.New("the cluster was read") }
	_, err = pulumitest.Run(program(never), pulumitest.WithDryRun())
	require.NoError(t, err)
	r, err := pulumitest.Run(program(never))
	require.ErrorContains(t, err, "the cluster was read")
	require.Empty(t, r.All())
}

// stuckLive has proxies that serve another split until the wait is ended.
type stuckLive struct{ *fakeLive }

func (s stuckLive) converge(ctx context.Context, _ *converge.Before, _ release.Split, _ time.Duration, _ func(string)) (converge.Converged, error) {
	<-ctx.Done()
	return converge.Converged{}, context.Cause(ctx)
}

func TestDriftEndsTheWait(t *testing.T) {
	t.Parallel()
	const repair = "nothing was changed; `pulumi up --refresh` writes the configured split"
	cases := []struct {
		name string
		app  *fakeLive
		err  string
	}{
		{
			name: "somebody rolled back",
			app:  &fakeLive{inForce: release.Split{Stable: 100}, authorAs: "kubectl-patch at 2026-11-26 20:15:04 UTC"},
			err: "the VirtualService holds the split stable 100 / canary 0, as kubectl-patch at 2026-11-26 20:15:04 UTC wrote it; " +
				"the configuration says stable 50 / canary 50. This may be somebody's roll back: " + repair,
		},
		{
			name: "somebody deleted it",
			app:  &fakeLive{splitErr: errGone},
			err:  "the VirtualService is gone, so that nothing splits traffic: somebody deleted it (" + errGone.Error() + "); " + repair,
		},
		{
			name: "the way in is gone",
			app:  &fakeLive{inForce: release.Split{Stable: 1, Canary: 1}, off: "Deployment istio-system/istio-ingressgateway wants 0 pods"},
			err: "the split stable 50 / canary 50 is written, but there is no way in, and ingress traffic fails: " +
				"Deployment istio-system/istio-ingressgateway wants 0 pods",
		},
		{name: "somebody made it impossible", app: &fakeLive{splitErr: release.ErrNoSplit}, err: release.ErrNoSplit.Error()},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRollout(configuration(t, map[string]string{"canaryWeight": "50"}))
			require.EqualError(t, r.converge(t.Context(), stuckLive{tc.app}, silent()), tc.err)
		})
	}
}
