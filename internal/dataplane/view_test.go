package dataplane

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/kube"
)

func TestViewOfProxies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFleet(
			envoy{proxy: gateway("g")},
			envoy{proxy: sidecar("old"), converges: notAtAll},
			envoy{proxy: sidecar("egress"), notApp: true},
			envoy{proxy: sidecar("cut"), err: errors.New("its Envoy does not answer in time")},
			envoy{proxy: proxy{pod: "starting"}, err: errors.New("refused")},
			envoy{proxy: sidecar("gone"), to: time.Second},
		)
		closed := false
		v := &View{fleet: f, release: func() { closed = true }}
		found, err := v.Proxies(t.Context(), after)
		require.NoError(t, err)
		require.Equal(t, []ProxyStatus{
			{Namespace: "mesh", Pod: "cut", Ready: true, Says: "cannot be read: its Envoy does not answer in time", Lags: true},
			{Namespace: "mesh", Pod: "old", Ready: true, Present: true, Splits: []Split{before}, Says: "serves stable 100 / canary 0", Lags: true},
			{Namespace: "mesh", Pod: "egress", Ready: true, Says: "has no route for the app"},
			{Namespace: "mesh", Pod: "g", Gateway: true, Ready: true, Present: true, Splits: []Split{{5000, 5000}}, Says: "serves stable 50 / canary 50"},
			{Namespace: "mesh", Pod: "gone", Ready: true, Present: true, Splits: []Split{{5000, 5000}}, Says: "serves stable 50 / canary 50"},
			{Namespace: "mesh", Pod: "starting", Says: "cannot be read: refused"},
		}, found)
		time.Sleep(time.Second)
		_, err = v.Proxies(t.Context(), after)
		require.NoError(t, err)
		require.Equal(t, []string{"gone"}, f.gone)
		v.Close()
		require.True(t, closed)

		f.listErr = func(time.Duration) error { return errors.New("no right") }
		_, err = v.Proxies(t.Context(), after)
		require.EqualError(t, err, "no right")
	})
}

func TestViewOfSubsets(t *testing.T) {
	t.Parallel()
	s := deployed(Stable, readyPod("new"), startingPod(), readyPod("old"))
	s.deployments[0].Spec.Replicas = new(2)
	s.deployments[0].Spec.Template.Spec.Containers = []kube.Container{{Name: proxyContainer, Image: "proxy"}, {Name: "app", Image: "web:1"}}
	v := &View{workloads: &fakeWorkloads{build: func(time.Duration) snapshot { return s }}, app: exampleApp}
	found, err := v.Subsets(t.Context())
	require.NoError(t, err)
	require.Equal(t, []SubsetStatus{
		{Name: Stable, Found: true, Ready: 1, Wanted: 2, Older: 1, Image: "web:1"},
		{Name: Canary},
	}, found)
}
