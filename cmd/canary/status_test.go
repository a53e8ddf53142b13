package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sebdah/goldie/v2"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"canary/internal/converge"
	"canary/internal/drift"
	"canary/internal/mesh"
	"canary/internal/readiness"
	"canary/internal/release"
	"canary/internal/stack"
)

// picture is one look at a fake cluster.
type picture struct {
	split   release.Split
	err     error // of reading the split
	subsets []readiness.SubsetStatus
	proxies []converge.ProxyStatus
	changes []drift.Change
	faults  []string
}

// fakeView gives one picture per look; the last one stays.
type fakeView struct {
	pictures []picture
	looks    int
	last     func() // called when the last picture is looked at again
	closed   bool
	app      release.App
	extras   release.Extras // as the stack has put out
}

func (f *fakeView) now() picture { return f.pictures[min(f.looks, len(f.pictures))-1] }

func (f *fakeView) Split(context.Context) (release.Split, error) {
	f.looks++
	if f.looks > len(f.pictures) && f.last != nil {
		f.last()
	}
	return f.now().split, f.now().err
}

func (f *fakeView) Subsets(context.Context) ([]readiness.SubsetStatus, error) {
	return f.now().subsets, nil
}

func (f *fakeView) Proxies(context.Context, release.Split) ([]converge.ProxyStatus, error) {
	return f.now().proxies, nil
}

func (f *fakeView) Changes(_ context.Context, objects []drift.Object) ([]drift.Change, error) {
	if len(objects) != 1 {
		return nil, errors.New("the stack wrote one object")
	}
	return f.now().changes, nil
}

func (f *fakeView) Faults(_ context.Context, releases mesh.Releases) ([]string, error) {
	if releases["istiod"] != "urn:istiod" {
		return nil, errors.New("the stack wrote the release istiod")
	}
	return f.now().faults, nil
}

func (f *fakeView) Close() { f.closed = true }

var evenly = release.Split{Stable: 50, Canary: 50}

func subset(name string, ready, wanted, older int) readiness.SubsetStatus {
	return readiness.SubsetStatus{Name: name, Found: true, Ready: ready, Wanted: wanted, Older: older, Image: "registry.test/web:" + name}
}

func serves(pod string, split release.Split, lags bool) converge.ProxyStatus {
	return converge.ProxyStatus{
		Namespace: "shop", Pod: pod, Ready: true, Present: true, Splits: []release.Split{split}, Says: "serves " + split.String(), Lags: lags,
	}
}

func ingress(split release.Split) converge.ProxyStatus {
	p := serves("gateway", split, false)
	p.Namespace, p.Gateway = "istio-system", true
	return p
}

var egress = converge.ProxyStatus{Namespace: "istio-system", Pod: "egress", Ready: true, Says: "has no route for the app"}

func good() picture {
	return picture{
		split:   evenly,
		subsets: []readiness.SubsetStatus{subset("stable", 2, 2, 0), subset("canary", 1, 1, 0)},
		proxies: []converge.ProxyStatus{egress, ingress(evenly), serves("web-1", evenly, false)},
	}
}

// written is what the stack wrote.
func written(context.Context, string) (*stack.Record, error) {
	return &stack.Record{Objects: []drift.Object{{Kind: "Service"}}, Releases: map[string]string{"istiod": "urn:istiod"}}, nil
}

// showStatus runs the command; the stack's split is 50/50.
func showStatus(ctx context.Context, f *fakeView, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, append([]string{"status"}, args...), environment{
		stdout: &out, stderr: &errs,
		outputs: func(context.Context, string) (*stack.Outputs, error) {
			return &stack.Outputs{
				URL: "http://web.test:8080", Namespace: "shop", Name: "web", Split: map[string]float64{"stable": 50, "canary": 50}, Extras: f.extras,
			}, nil
		},
		written: written,
		view:    func(_ stack.Secret, app release.App) (view, error) { f.app = app; return f, nil },
		pause:   time.Second,
		now:     func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
	})
	return code, out.String(), errs.String()
}

func TestStatus(t *testing.T) {
	t.Parallel()
	extras := release.Extras{Header: "x-canary", Mirrored: 10, Cookie: "v"}
	for name, tc := range map[string]struct {
		change func(*picture)
		code   int
		extras release.Extras
	}{
		"agrees": {},
		"extras": {extras: extras},
		"without-extras": {change: func(p *picture) {
			p.proxies[1].Lags, p.proxies[1].Says = true, "serves stable 50 / canary 50 and does not keep users on a version by the cookie v"
		}, code: 1, extras: extras},
		"lags": {change: func(p *picture) {
			old := serves("web-1", release.Split{Stable: 100}, true)
			cut := converge.ProxyStatus{Namespace: "shop", Pod: "web-2", Says: "cannot be read: its Envoy does not answer in time", Lags: true}
			p.proxies = []converge.ProxyStatus{old, cut, egress, ingress(evenly)}
		}, code: 1},
		"foreign": {change: func(p *picture) {
			shut, caller := ingress(evenly), egress
			shut.Lags, shut.Says = true, "serves stable 50 / canary 50 and redirects all requests to HTTPS"
			shut.Foreign = "Gateway default/other redirects requests for the app's host web.test to HTTPS: take the host out of it, or remove it"
			caller.Namespace, caller.Pod = "default", "caller"
			caller.Says = "has no route for the app: Sidecar default/narrow leaves the app out, so that its requests to the app are not split"
			p.proxies = []converge.ProxyStatus{shut, caller, serves("web-1", evenly, false)}
		}, code: 1},
		"patched-by-hand": {change: func(p *picture) {
			p.split = release.Split{Stable: 9995, Canary: 5}
			p.proxies = []converge.ProxyStatus{ingress(p.split)}
		}, code: 1},
		"no-split": {change: func(p *picture) {
			p.err = fmt.Errorf("VirtualService shop/web: it has no route to subset stable or canary: %w", release.ErrNoSplit)
		}, code: 1},
		"no-virtualservice": {change: func(p *picture) {
			p.err = apierrors.NewNotFound(schema.GroupResource{Group: "networking.istio.io", Resource: "virtualservices"}, "web")
		}, code: 1},
		"pods": {change: func(p *picture) {
			p.subsets = []readiness.SubsetStatus{subset("stable", 2, 2, 1), subset("canary", 0, 3, 0)}
		}, code: 1},
		"no-canary": {change: func(p *picture) {
			p.subsets = []readiness.SubsetStatus{subset("stable", 2, 2, 0), {Name: "canary"}}
		}, code: 1},
		"changed-by-others": {change: func(p *picture) {
			p.changes = []drift.Change{
				{Object: drift.Object{Kind: "Deployment", Namespace: "shop", Name: "web"}, Fields: []string{"spec.replicas: 2 => 1"}, By: "kubectl at 2026-01-02 03:04:00 UTC"},
				{Object: drift.Object{Kind: "Service", Namespace: "shop", Name: "web"}, Gone: true},
			}
			p.subsets = []readiness.SubsetStatus{subset("stable", 1, 1, 0), subset("canary", 0, 1, 0)}
		}, code: 1},
		"mesh-faults": {change: func(p *picture) {
			p.faults = []string{"Deployment istio-system/istio-ingressgateway wants 0 pods: `kubectl -n istio-system scale deployment istio-ingressgateway --replicas=2` brings them back"}
			p.changes = []drift.Change{{Object: drift.Object{Kind: "Service", Namespace: "shop", Name: "web"}, Gone: true}}
			p.proxies = []converge.ProxyStatus{egress, serves("web-1", evenly, false)}
		}, code: 1},
		"gateway-ending": {change: func(p *picture) { p.proxies[1].Ready = false }, code: 1},
		"no-gateway":     {change: func(p *picture) { p.proxies = []converge.ProxyStatus{egress, serves("web-1", evenly, false)} }, code: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, output := range []string{"table", "json"} {
				p := good()
				if tc.change != nil {
					tc.change(&p)
				}
				f := &fakeView{pictures: []picture{p}, extras: tc.extras}
				code, stdout, stderr := showStatus(t.Context(), f, "--output", output)
				require.Equal(t, tc.code, code)
				require.Empty(t, stderr)
				require.True(t, f.closed)
				require.Equal(t, release.App{Namespace: "shop", Name: "web", Hosts: []string{"web.test"}, Extras: tc.extras}, f.app)
				goldie.New(t).Assert(t, "status-"+name+"-"+output, []byte(stdout))
			}
		})
	}
}

func TestStatusCannotLook(t *testing.T) {
	t.Parallel()
	p := good()
	p.err = errors.New("cluster not reachable")
	code, stdout, stderr := showStatus(t.Context(), &fakeView{pictures: []picture{p}})
	require.Equal(t, 3, code)
	require.Empty(t, stdout)
	require.Equal(t, "canary: cluster not reachable\n", stderr)

	code, _, stderr = showStatus(t.Context(), &fakeView{}, "--output", "yaml")
	require.Equal(t, 3, code)
	require.Equal(t, "canary: --output is \"yaml\", allowed are table, json; `canary status --help` lists what is allowed\n", stderr)
}

func TestStatusNeedsTheSplitOfTheStack(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"status"}, environment{
		stdout: new(bytes.Buffer), stderr: &stderr,
		outputs: func(context.Context, string) (*stack.Outputs, error) { return &stack.Outputs{}, nil },
		written: written,
		view:    func(stack.Secret, release.App) (view, error) { return &fakeView{pictures: []picture{good()}}, nil },
	})
	require.Equal(t, 3, code)
	require.Contains(t, stderr.String(), "the stack's output split is map[]")
}

func TestWatchPrintsChanges(t *testing.T) {
	t.Parallel()
	behind := good()
	behind.proxies = []converge.ProxyStatus{serves("web-1", release.Split{Stable: 100}, true), egress, ingress(evenly)}
	gone := good()
	gone.proxies = gone.proxies[:2]
	broken := good()
	broken.err = errors.New("cluster not reachable")
	for _, output := range []string{"table", "json"} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			f := &fakeView{pictures: []picture{behind, behind, good(), good(), broken, broken, gone}, last: stop}
			code, stdout, stderr := showStatus(ctx, f, "--watch", "--output", output)
			require.Equal(t, 0, code, "that of the last look")
			require.Equal(t, "canary: cluster not reachable; trying again\n", stderr)
			goldie.New(t).Assert(t, "watch-"+output, []byte(stdout))
			if output == outputJSON {
				require.Equal(t, 3, strings.Count(stdout, "\n"))
				for line := range strings.Lines(stdout) {
					require.True(t, json.Valid([]byte(line)))
				}
			}
		})
	}
}

// An update changes the configuration that the look began with.
func TestWatchReadsTheConfigurationAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		f := &fakeView{pictures: []picture{good(), good(), good(), good(), good(), good()}, last: stop}
		var stdout bytes.Buffer
		read := 0
		code := run(ctx, []string{"status", "--watch"}, environment{
			stdout: &stdout, stderr: new(bytes.Buffer),
			written: written,
			outputs: func(context.Context, string) (*stack.Outputs, error) {
				read++
				split := map[string]float64{"stable": 50, "canary": 50}
				if read == 1 {
					split = map[string]float64{"stable": 100, "canary": 0}
				}
				return &stack.Outputs{URL: "http://web.test", Namespace: "shop", Name: "web", Split: split}, nil
			},
			view:  func(stack.Secret, release.App) (view, error) { return f, nil },
			pause: time.Second, now: time.Now,
		})
		require.Equal(t, 0, code)
		require.Equal(t, 2, read, "not again once they agree")
		require.Contains(t, stdout.String(), "configured: stable 100 % / canary 0 % -> stable 50 % / canary 50 %\n")
	})
}

func TestFit(t *testing.T) {
	t.Parallel()
	var lines []string
	for i := range 30 {
		lines = append(lines, fmt.Sprintf("line %d", i))
	}
	fitted := fit(lines, 80, 20)
	require.Len(t, fitted, 20)
	require.Equal(t, []string{"line 14", "… 11 more lines", "line 26"}, fitted[14:17])
	require.Equal(t, "line 29", fitted[19])
	require.Equal(t, lines, fit(lines, 80, 30))
	require.Equal(t, []string{"long…"}, fit([]string{"long line"}, 5, 20))
}
