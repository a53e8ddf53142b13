package converge

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/envoy"
	"canary/internal/release"
)

func TestViewOfProxies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeFleet(
			fakeEnvoy{Proxy: gateway("g")},
			fakeEnvoy{Proxy: sidecar("old"), converges: notAtAll},
			fakeEnvoy{Proxy: sidecar("egress"), notApp: true},
			fakeEnvoy{Proxy: sidecar("cut"), err: errors.New("its Envoy does not answer in time")},
			fakeEnvoy{Proxy: envoy.Proxy{Pod: "starting"}, err: errors.New("refused")},
			fakeEnvoy{Proxy: sidecar("gone"), to: time.Second},
		)
		closed := false
		v := &View{fleet: f, close: func() { closed = true }}
		found, err := v.Proxies(t.Context(), after)
		require.NoError(t, err)
		require.Equal(t, []ProxyStatus{
			{Namespace: "mesh", Pod: "cut", Ready: true, Says: "cannot be read: its Envoy does not answer in time", Lags: true},
			{Namespace: "mesh", Pod: "old", Ready: true, Present: true, Splits: []release.Split{before}, Says: "serves stable 100 / canary 0", Lags: true},
			{Namespace: "mesh", Pod: "egress", Ready: true, Says: "has no route for the app"},
			{Namespace: "mesh", Pod: "g", Gateway: true, Ready: true, Present: true, Splits: []release.Split{{Stable: 5000, Canary: 5000}}, Says: "serves stable 50 / canary 50"},
			{Namespace: "mesh", Pod: "gone", Ready: true, Present: true, Splits: []release.Split{{Stable: 5000, Canary: 5000}}, Says: "serves stable 50 / canary 50"},
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
