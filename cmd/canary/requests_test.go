package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sebdah/goldie/v2"
	"github.com/stretchr/testify/require"

	"canary/internal/release"
	"canary/internal/stack"
	"canary/internal/traffic"
	"canary/internal/traffic/report"
)

var (
	half      = traffic.Split{{Subset: "stable", Weight: 50}, {Subset: "canary", Weight: 50}}
	allStable = traffic.Split{{Subset: "stable", Weight: 100}, {Subset: "canary", Weight: 0}}
)

// alternate answers by the two subsets in turn.
func alternate() http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		from([]string{"stable", "canary"}[n.Add(1)%2], w, r)
	}
}

// from makes an answer one of the subset, as the proxy that routes it does.
func from(subset string, w http.ResponseWriter, r *http.Request) {
	w.Header().Set(release.AnswerHeader(subset), r.Header.Get(release.AskHeader))
}

func TestRequests(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		splits  []traffic.Split
		app     http.HandlerFunc
		args    []string
		code    int
		verdict traffic.Verdict
		reason  string
	}{
		{name: "within", splits: []traffic.Split{half}, app: alternate(), code: 0, verdict: traffic.Within},
		{name: "outside", splits: []traffic.Split{allStable}, app: alternate(), code: 1, verdict: traffic.Outside},
		{
			name: "failed requests come before the verdict", splits: []traffic.Split{allStable},
			app: func(w http.ResponseWriter, r *http.Request) {
				from("canary", w, r)
				w.WriteHeader(http.StatusServiceUnavailable)
			}, code: 2, verdict: traffic.Outside,
		},
		{
			name: "timeouts", splits: []traffic.Split{half}, args: []string{"--timeout", "20ms", "--count", "2"},
			app:  func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			code: 2, verdict: traffic.CannotTell, reason: "no answer says which subset it comes from",
		},
		{
			name: "nobody says the subset", splits: []traffic.Split{half}, app: func(http.ResponseWriter, *http.Request) {},
			code: 3, verdict: traffic.CannotTell,
			reason: "100 of 100 answers do not say which subset they come from: the proxy that routes them names it in a header, as the stack's VirtualService tells it to; `pulumi up` writes it as the stack has it",
		},
		{
			name: "the split changes meanwhile", splits: []traffic.Split{allStable, half}, app: alternate(),
			code: 3, verdict: traffic.CannotTell,
			reason: "the split changed while requests were sent, from stable 100 %, canary 0 % to stable 50 %, canary 50 %",
		},
		{
			name: "the split is gone after", splits: []traffic.Split{half, nil}, app: alternate(),
			code: 3, verdict: traffic.CannotTell,
			reason: "the split could not be read again after the requests: no VirtualService",
		},
		{name: "open loop", splits: []traffic.Split{half}, args: []string{"--rate", "1000"}, app: alternate(), code: 0, verdict: traffic.Within},
	}
	for _, c := range cases {
		for _, from := range []string{"ingress", "mesh"} {
			t.Run(c.name+" from "+from, func(t *testing.T) {
				t.Parallel()
				cluster := newFakeCluster(t, nil, c.app)
				cluster.splits = c.splits
				code, stdout, stderr := canary(t.Context(), cluster, append([]string{"requests", "--output", "json", "--from", from}, c.args...)...)
				require.Equal(t, c.code, code)
				require.Empty(t, stderr)
				var result report.Report
				require.NoError(t, json.Unmarshal([]byte(stdout), &result))
				require.Equal(t, c.verdict, result.Verdict)
				require.Equal(t, c.reason, result.Reason)
				require.Equal(t, from, result.From)
				require.Equal(t, result.Count, result.Requests)
				require.Empty(t, cluster.pods)
				require.Equal(t, from == "mesh", cluster.created == 1)
			})
		}
	}
}

func TestRequestsAskForThePath(t *testing.T) {
	t.Parallel()
	for from, host := range map[string]string{"ingress": "", "mesh": "web"} {
		var got atomic.Value
		cluster := newFakeCluster(t, half, func(_ http.ResponseWriter, r *http.Request) { got.Store(r.Host + " " + r.URL.String()) })
		if host == "" {
			host = cluster.app.Listener.Addr().String()
		}
		_, stdout, _ := canary(t.Context(), cluster, "requests", "--count", "1", "--from", from, "--path", "/a?b=c")
		require.Equal(t, host+" /a?b=c", got.Load())
		require.Contains(t, stdout, "1 requests from "+from+" to http://"+host+"/a?b=c in ")
		require.Contains(t, stdout, "verdict    cannot tell: 1 of 1 answers do not say")
	}
}

// An app that speaks gRPC is called, and not asked for a page.
func TestRequestsCallByGRPC(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, status string
		code         int
		failures     map[string]int
	}{
		{name: "well", status: "0", code: 0, failures: map[string]int{}},
		{name: "no health service", status: "12", code: 0, failures: map[string]int{}},
		{name: "unavailable", status: "14", code: 2, failures: map[string]int{"Unavailable": 100}},
	}
	for _, c := range cases {
		for _, from := range []string{"ingress", "mesh"} {
			t.Run(c.name+" from "+from, func(t *testing.T) {
				t.Parallel()
				app := alternate()
				cluster := newFakeCluster(t, half, func(w http.ResponseWriter, r *http.Request) {
					if r.Proto != "HTTP/2.0" || r.Method != http.MethodPost || r.URL.Path != "/grpc.health.v1.Health/Check" {
						t.Errorf("got %s %s %s", r.Proto, r.Method, r.URL)
					}
					app(w, r)
					w.Header().Set("Content-Type", "application/grpc")
					w.Header().Set("Grpc-Status", c.status)
				})
				cluster.calls = true
				code, stdout, stderr := canary(t.Context(), cluster, "requests", "--output", "json", "--from", from)
				require.Equal(t, c.code, code)
				require.Empty(t, stderr)
				var result report.Report
				require.NoError(t, json.Unmarshal([]byte(stdout), &result))
				require.Equal(t, traffic.Within, result.Verdict)
				require.Equal(t, c.failures, result.Failures)
				require.Equal(t, map[string]int{"stable": 50, "canary": 50}, result.Counts)
			})
		}
	}
}

func TestInterruptedRequestsRemoveTheRelay(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"closed loop": {"--concurrency", "1"},
		"open loop":   {"--rate", "1000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			var n atomic.Int64
			cluster := newFakeCluster(t, half, func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1) > 5 {
					time.AfterFunc(50*time.Millisecond, cancel)
					<-r.Context().Done()
					return
				}
				from("stable", w, r)
			})
			code, stdout, stderr := canary(ctx, cluster, append([]string{"requests", "--from", "mesh"}, args...)...)
			require.Equal(t, 3, code)
			require.Empty(t, stderr)
			require.Contains(t, stdout, "verdict    cannot tell: interrupted after 5 of 100 requests\n")
			require.Equal(t, 1, cluster.created)
			require.Empty(t, cluster.pods)
		})
	}
}

func TestInterruptedBeforeTheFirstAnswer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cluster := newFakeCluster(t, half, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	code, stdout, stderr := canary(ctx, cluster, "requests", "--from", "mesh")
	require.Equal(t, 3, code)
	require.Empty(t, stdout)
	require.Equal(t, "canary: interrupted: no request was answered yet\n", stderr)
	require.Empty(t, cluster.pods)
}

func TestRelayThatCannotBeRemovedIsAWarning(t *testing.T) {
	t.Parallel()
	cluster := newFakeCluster(t, half, alternate())
	cluster.remove = errors.New("forbidden")
	code, stdout, stderr := canary(t.Context(), cluster, "requests", "--from", "mesh")
	require.Equal(t, 0, code)
	require.Contains(t, stdout, "within the bound")
	require.Contains(t, stderr, "may still be there (forbidden): remove it with `kubectl --namespace shop delete pod canary-requests-")
}

func TestCannotRun(t *testing.T) {
	t.Parallel()
	down := errors.New("cluster not reachable")
	cases := []struct {
		name string
		env  environment
		want string
	}{
		{
			name: "no stack",
			env:  environment{outputs: func(context.Context, string) (*stack.Outputs, error) { return nil, stack.ErrNotUp }},
			want: "canary: the stack is not up\n",
		},
		{
			name: "no cluster",
			env: environment{
				outputs: func(context.Context, string) (*stack.Outputs, error) { return new(stack.Outputs), nil },
				connect: func(stack.Secret) (cluster, error) { return nil, down },
			},
			want: "canary: cluster not reachable\n",
		},
		{
			name: "a kubeconfig that is none",
			env: environment{
				outputs: func(context.Context, string) (*stack.Outputs, error) {
					return &stack.Outputs{Kubeconfig: stack.Secret(" ")}, nil
				},
				connect: connect,
			},
			want: "canary: the stack's output kubeconfig: kubeconfig is empty: give the content of a kubeconfig file\n",
		},
		{
			name: "no VirtualService",
			env: environment{
				outputs: func(context.Context, string) (*stack.Outputs, error) { return new(stack.Outputs), nil },
				connect: func(stack.Secret) (cluster, error) { return &fakeCluster{splits: []traffic.Split{nil}}, nil },
			},
			want: "canary: no VirtualService\n",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			c.env.stdout, c.env.stderr = &stdout, &stderr
			require.Equal(t, 3, run(t.Context(), []string{"requests"}, c.env))
			require.Empty(t, stdout.String())
			require.Equal(t, c.want, stderr.String())
		})
	}
}

func TestStackFlag(t *testing.T) {
	t.Parallel()
	got := ""
	run(t.Context(), []string{"requests", "--stack", "prod"}, environment{
		stdout: new(bytes.Buffer), stderr: new(bytes.Buffer),
		outputs: func(_ context.Context, name string) (*stack.Outputs, error) { got = name; return nil, stack.ErrNotUp },
	})
	require.Equal(t, "prod", got)
}

func TestUsage(t *testing.T) {
	t.Parallel()
	const help = "; `canary requests --help` lists what is allowed\n"
	cases := []struct {
		args []string
		want string
	}{
		{args: []string{"--count", "0"}, want: "canary: --count is 0, allowed is 1 to 10000000" + help},
		{args: []string{"--count", "many"}, want: `canary: invalid argument "many" for "--count" flag: strconv.ParseInt: parsing "many": invalid syntax` + help},
		{args: []string{"--from", "moon"}, want: `canary: --from is "moon", allowed are ingress, mesh` + help},
		{args: []string{"--concurrency", "1000"}, want: "canary: --concurrency is 1000, allowed is 1 to 900" + help},
		{args: []string{"--rate", "NaN"}, want: "canary: --rate is NaN, allowed is 0, and 0.01 to 100000" + help},
		{args: []string{"--rate", "-1"}, want: "canary: --rate is -1, allowed is 0, and 0.01 to 100000" + help},
		{args: []string{"--rate", "5", "--concurrency", "5"}, want: "canary: --concurrency and --rate exclude each other: with --rate, requests are sent on time and not when others are answered" + help},
		{args: []string{"--path", "a"}, want: `canary: --path is "a", and has to start with /` + help},
		{args: []string{"--path", "//a"}, want: "canary: --path is \"//a\", and that is no path of a URL\n"},
		{args: []string{"--timeout", "0s"}, want: "canary: --timeout is 0s, allowed is a time above 0 such as 500ms or 10s" + help},
		{args: []string{"--output", "yaml"}, want: `canary: --output is "yaml", allowed are table, json` + help},
		{args: []string{"--count", "0", "--from", "moon"}, want: `canary: --count is 0, allowed is 1 to 10000000; --from is "moon", allowed are ingress, mesh` + help},
		{args: []string{"--nope"}, want: "canary: unknown flag: --nope" + help},
		{args: []string{"extra"}, want: "canary: unknown command \"extra\" for \"canary requests\"\n"},
	}
	for _, c := range cases {
		t.Run(fmt.Sprint(c.args), func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := canary(t.Context(), newFakeCluster(t, half, alternate()), append([]string{"requests"}, c.args...)...)
			require.Equal(t, 3, code)
			require.Empty(t, stdout)
			require.Equal(t, c.want, stderr)
		})
	}
}

func TestLongest(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		requests requests
		want     time.Duration
	}{
		{name: "closed loop", requests: requests{count: 101, concurrency: 10, timeout: 10 * time.Second}, want: 110 * time.Second},
		{name: "open loop", requests: requests{count: 3000, concurrency: 10, rate: 50, timeout: 10 * time.Second}, want: 70 * time.Second},
		{name: "without measure", requests: requests{count: maxCount, concurrency: 1, timeout: 1000 * time.Hour}, want: maxRelayLifetime},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, c.requests.longest())
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"root": {"--help"}, "requests": {"requests", "--help"}, "status": {"status", "--help"}} {
		code, stdout, stderr := canary(t.Context(), newFakeCluster(t, half, alternate()), args...)
		require.Equal(t, 0, code)
		require.Empty(t, stderr)
		goldie.New(t).Assert(t, "help-"+name, []byte(stdout))
	}
}

func TestRoot(t *testing.T) {
	t.Parallel()
	f := newFakeCluster(t, half, alternate())
	code, stdout, _ := canary(t.Context(), f, "version")
	require.Equal(t, 0, code)
	require.Regexp(t, `^canary \S+\n$`, stdout)
	_, flag, _ := canary(t.Context(), f, "--version")
	require.Equal(t, stdout, flag)
	code, _, stderr := canary(t.Context(), f, "request")
	require.Equal(t, 3, code)
	require.Contains(t, stderr, `canary: unknown command "request" for "canary"`)
}
