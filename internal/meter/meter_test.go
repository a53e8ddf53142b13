package meter

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/envoy"
	"canary/internal/judge"
)

// fakeProxies have pages by the proxy's UID.
type fakeProxies struct {
	proxies []envoy.Proxy
	pages   map[string][]envoy.Endpoint
	times   map[string]map[string]envoy.Times
	silent  map[string]bool
	broken  map[string]error
	err     error
}

func (f *fakeProxies) List(context.Context) ([]envoy.Proxy, error) {
	return append([]envoy.Proxy(nil), f.proxies...), f.err
}

func (f *fakeProxies) Endpoints(_ context.Context, p envoy.Proxy) ([]envoy.Endpoint, error) {
	if f.silent[p.UID] {
		return nil, errors.New("silent")
	}
	return f.pages[p.UID], f.broken[p.UID]
}

func (f *fakeProxies) Times(_ context.Context, p envoy.Proxy) (map[string]envoy.Times, error) {
	return f.times[p.UID], nil
}

func gateway(uid string) envoy.Proxy {
	return envoy.Proxy{Namespace: "istio-system", Pod: "gateway-" + uid, UID: uid, Gateway: true, Ready: true}
}

func page(stable, stableFailed, canary, canaryFailed uint64) []envoy.Endpoint {
	return []envoy.Endpoint{
		{Subset: "stable", Address: "10.0.0.1:80", Succeeded: stable, Failed: stableFailed},
		{Subset: "canary", Address: "10.0.0.2:80", Succeeded: canary, Failed: canaryFailed},
	}
}

func begin(t *testing.T, m *Meter) Reading {
	t.Helper()
	r, err := m.Begin(t.Context())
	require.NoError(t, err)
	return r
}

func TestMeter(t *testing.T) {
	t.Parallel()
	f := &fakeProxies{
		proxies: []envoy.Proxy{gateway("a"), {Pod: "egress", UID: "e"}},
		pages:   map[string][]envoy.Endpoint{"a": page(1000, 10, 20, 2), "e": page(9, 9, 9, 9)}, silent: map[string]bool{},
	}
	m := New(f)
	begin(t, m)
	read := func() Reading {
		t.Helper()
		r, err := m.Read(t.Context())
		require.NoError(t, err)
		return r
	}
	require.Equal(t, nothing(), read(), "what was before does not count")

	f.pages["a"] = page(1100, 11, 25, 3)
	got := read()
	require.Equal(t, judge.Counts{Requests: 101, Failures: 1}, got.Stable)
	require.Equal(t, judge.Counts{Requests: 6, Failures: 1}, got.Canary)

	f.proxies, f.pages["b"] = append(f.proxies, gateway("b")), page(7, 0, 1, 1)
	f.pages["a"] = append(f.pages["a"], envoy.Endpoint{Subset: "canary", Address: "10.0.0.3:80", Succeeded: 4})
	got = read()
	require.Equal(t, judge.Counts{Requests: 108, Failures: 1}, got.Stable)
	require.Equal(t, judge.Counts{Requests: 12, Failures: 2}, got.Canary, "a proxy and a pod that came count from nothing")

	f.silent["b"] = true
	f.pages["b"] = page(17, 0, 1, 1)
	require.Equal(t, []string{"istio-system/gateway-b (silent)"}, read().Unread)
	f.silent["b"] = false
	got = read()
	require.Empty(t, got.Unread)
	require.EqualValues(t, 118, got.Stable.Requests, "what was not read comes later")

	f.pages["b"] = page(3, 0, 0, 0)
	require.EqualValues(t, 121, read().Stable.Requests, "a proxy that was started anew counts from nothing")
	require.Empty(t, got.Gaps)

	f.proxies = f.proxies[:1]
	require.Equal(t, []string{"proxy istio-system/gateway-b ended: what it counted after the reading before is missing"}, read().Gaps)

	begin(t, m)
	require.Equal(t, nothing(), read(), "a new beginning")
	f.err = errors.New("no API server")
	_, err := m.Read(t.Context())
	require.EqualError(t, err, "no API server")
}

func TestMeterOfProxyUnreadAtTheBeginning(t *testing.T) {
	t.Parallel()
	f := &fakeProxies{proxies: []envoy.Proxy{gateway("a")}, pages: map[string][]envoy.Endpoint{"a": page(1000, 0, 20, 0)}, silent: map[string]bool{"a": true}}
	m := New(f)
	begin(t, m)
	f.silent["a"] = false
	r, err := m.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"proxy istio-system/gateway-a could be read only now: what it counted before is missing"}, r.Gaps)
	require.Zero(t, r.Stable)
	f.pages["a"] = page(1005, 0, 21, 0)
	r, err = m.Read(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 5, r.Stable.Requests)
	require.EqualValues(t, 1, r.Canary.Requests)
}

func TestTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		of := func(stable, canary envoy.Times) map[string]envoy.Times {
			return map[string]envoy.Times{"stable": stable, "canary": canary}
		}
		f := &fakeProxies{
			proxies: []envoy.Proxy{gateway("a")},
			times:   map[string]map[string]envoy.Times{"a": of(envoy.Times{5: 100, 250: 1}, envoy.Times{5: 10})},
		}
		m := New(f)
		begin(t, m)
		read := func() Reading {
			t.Helper()
			r, err := m.Read(t.Context())
			require.NoError(t, err)
			return r
		}
		require.Equal(t, envoy.Times{5: 100, 250: 1}, read().Before)
		require.Empty(t, read().Times)

		f.times["a"] = of(envoy.Times{5: 120, 250: 1}, envoy.Times{5: 10, 250: 4})
		require.Empty(t, read().Times, "Envoy has nothing new so soon")
		time.Sleep(timesPause)
		require.Equal(t, of(envoy.Times{5: 20}, envoy.Times{250: 4}), read().Times)

		f.proxies = append(f.proxies, gateway("b"))
		f.times["a"], f.times["b"] = of(envoy.Times{5: 1}, nil), of(envoy.Times{5: 2}, envoy.Times{10: 1})
		time.Sleep(timesPause)
		require.Equal(t, of(envoy.Times{5: 23}, envoy.Times{250: 4, 10: 1}), read().Times, "one was started anew, and one came")

		require.Empty(t, read().Lately, "there was no Begin before")
		anew := begin(t, m)
		require.Equal(t, envoy.Times{5: 3}, anew.Before)
		require.Equal(t, envoy.Times{5: 23}, anew.Lately)
		require.Empty(t, anew.Times)
	})
}

// A proxy that never counts would seem to send no requests.
func TestMeterOfProxyThatKeepsNothing(t *testing.T) {
	t.Parallel()
	f := &fakeProxies{proxies: []envoy.Proxy{gateway("a"), gateway("b")}, pages: map[string][]envoy.Endpoint{"a": page(1, 0, 0, 0)}, broken: map[string]error{"b": envoy.ErrNotKept}}
	m := New(f)
	_, err := m.Begin(t.Context())
	require.ErrorIs(t, err, envoy.ErrNotKept)
	require.ErrorContains(t, err, "proxy istio-system/gateway-b: it does not count its requests by status; ")
	f.proxies[1].Ready = false
	begin(t, m)
}
