package canary

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"canary/internal/converge"
	"canary/internal/release"
)

var errSick = errors.New("subset canary has 0 of 1 pods ready: CrashLoopBackOff")

func TestGuard(t *testing.T) {
	t.Parallel()
	none := fmt.Errorf("VirtualService: %w", apierrors.NewNotFound(schema.GroupResource{Resource: "virtualservices"}, "app"))
	odd := fmt.Errorf("VirtualService: %w", release.ErrNoSplit)
	sick := map[string]error{canarySubset: errSick}
	cases := []struct {
		name     string
		weight   string
		inForce  release.Split
		splitErr error
		writeErr error
		readyErr map[string]error
		calls    []string
		err      string
	}{
		{
			name: "first update waits for what gets traffic", weight: "0",
			splitErr: none,
			calls:    []string{"ready map[stable:1]", "warm within 10s"},
		},
		{
			name: "the VirtualService was made impossible by hand", weight: "0",
			splitErr: odd,
			calls:    []string{"ready map[stable:1]"},
		},
		{
			name: "first update with a split waits for both", weight: "50",
			splitErr: none,
			calls:    []string{"ready map[canary:2 stable:1]", "warm within 10s"},
		},
		{
			name: "first update with a sick canary", weight: "50",
			splitErr: none, readyErr: sick,
			calls: []string{"ready map[canary:2 stable:1]"},
			err:   "the split was not written: " + errSick.Error(),
		},
		{
			name: "towards the canary", weight: "50",
			inForce: release.Split{Stable: 100},
			calls:   []string{"ready map[canary:2]"},
		},
		{
			name: "towards a sick canary", weight: "12.5",
			inForce: release.Split{Stable: 95, Canary: 5}, readyErr: sick,
			calls: []string{"ready map[canary:2]"},
			err:   "the split stays 95/5: " + errSick.Error(),
		},
		{
			name: "roll back from a sick canary", weight: "0",
			inForce: release.Split{Stable: 50, Canary: 50}, readyErr: sick,
			calls: []string{"ready map[stable:1]"},
		},
		{
			name: "partly back from a sick canary", weight: "10",
			inForce: release.Split{Stable: 50, Canary: 50}, readyErr: sick,
			calls: []string{"ready map[stable:1]"},
		},
		{
			name: "no write is taken", weight: "50",
			inForce: release.Split{Stable: 100}, writeErr: errors.New("istiod does not answer"),
			err: "the split stays 100/0, and traffic goes on as before: istiod does not answer",
		},
		{
			name: "the same split", weight: "50",
			inForce: release.Split{Stable: 5000, Canary: 5000}, readyErr: sick,
		},
		{
			name: "everything to the canary", weight: "100",
			inForce: release.Split{Stable: 50, Canary: 50},
			calls:   []string{"ready map[canary:2]"},
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			app := &fakeLive{inForce: tc.inForce, splitErr: tc.splitErr, writeErr: tc.writeErr, readyErr: tc.readyErr}
			r := newRollout(configuration(t, map[string]string{"canaryWeight": tc.weight, "canaryReplicas": "2"}))

			err := r.guard(t.Context(), app, silent())

			requireError(t, tc.err, err)
			require.Equal(t, tc.calls, app.calls)
		})
	}
}

// The first route waits until the proxies can use what it leads to.
func TestWarm(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		timeout string
		warmErr error
		calls   []string
		warning string
		err     string
	}{
		{name: "all hold both subsets", timeout: "60", calls: []string{"warm within 10s"}},
		{name: "no longer than the user waits", timeout: "3", calls: []string{"warm within 3s"}},
		{
			name: "a proxy lags", timeout: "60", calls: []string{"warm within 10s"},
			warmErr: &converge.ClusterLagError{
				Timeout: 10 * time.Second,
				Lagging: []converge.Lagging{{Namespace: "istio-system", Pod: "gateway-1", Serves: "holds stable alone"}},
			},
			warning: "after 10s not every proxy holds both subsets of the DestinationRule:\n  istio-system/gateway-1 holds stable alone\n" +
				"the first requests through them may be answered 503",
		},
		{
			name: "the API server is gone", timeout: "60", calls: []string{"warm within 10s"},
			warmErr: errors.New("cluster not reachable"),
			err:     "the split was not written: cluster not reachable",
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRollout(configuration(t, map[string]string{"convergeTimeout": tc.timeout}))
			app := &fakeLive{warmErr: tc.warmErr}
			say, warnings := silent(), []string(nil)
			say.warn = func(line string) { warnings = append(warnings, line) }

			err := r.warm(t.Context(), app, say)

			requireError(t, tc.err, err)
			require.Equal(t, tc.calls, app.calls)
			require.Equal(t, tc.warning, strings.Join(warnings, "; "))
		})
	}
}

func TestConverge(t *testing.T) {
	t.Parallel()
	lag := errors.New("1 of 5 proxies does not serve it")
	cases := []struct {
		name string
		app  *fakeLive
		said []string
		err  string
	}{
		{
			name: "served",
			app:  &fakeLive{convergeAs: converge.Converged{Proxies: 5, Elapsed: 118 * time.Millisecond}},
			said: []string{"split 50/50 is served by all 5 proxies after 0.12 s"},
		},
		{
			name: "one proxy",
			app:  &fakeLive{convergeAs: converge.Converged{Proxies: 1, Elapsed: 2 * time.Second}},
			said: []string{"split 50/50 is served by the only proxy after 2.00 s"},
		},
		{name: "a proxy lags", app: &fakeLive{convergeErr: lag}, err: lag.Error()},
		{
			name: "no gateway",
			app:  &fakeLive{convergeErr: &converge.LagError{NoGateway: true}},
			err:  (&converge.LagError{NoGateway: true}).Error() + "\nthe Gateway selects pods with the label istio=ingressgateway",
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRollout(configuration(t, map[string]string{"canaryWeight": "50"}))
			say, said := silent(), []string(nil)
			say.info = func(line string) { said = append(said, line) }
			tc.app.written(r.split)

			err := r.converge(t.Context(), tc.app, say)

			requireError(t, tc.err, err)
			require.Equal(t, tc.said, said)
		})
	}
}

func TestFinish(t *testing.T) {
	t.Parallel()
	r := newRollout(configuration(t, map[string]string{"canaryWeight": "50"}))
	require.NoError(t, r.finish(t.Context(), &fakeLive{}, silent()))
	err := r.finish(t.Context(), &fakeLive{readyErr: map[string]error{canarySubset: errSick}}, silent())
	require.EqualError(t, err, "the split 50/50 is served, but: "+errSick.Error())
}

func requireError(t *testing.T, want string, err error) {
	t.Helper()
	if want == "" {
		require.NoError(t, err)
		return
	}
	require.EqualError(t, err, want)
}
