package main

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sebdah/goldie/v2"
	"github.com/stretchr/testify/require"

	"canary/internal/meter"
	"canary/internal/prometheus"
	"canary/internal/promotion"
	"canary/internal/release"
	"canary/internal/stack"
)

// fakeStack is a stack whose updates succeed, unless there is an error.
type fakeStack struct {
	settings map[string]stack.Value
	last     map[string]stack.Value
	err      error
	messages []string
	history  []map[string]stack.Value
}

// record is the promotion in the stack's last update.
func (f *fakeStack) record(t *testing.T) *promotion.Record {
	t.Helper()
	record, err := promotion.ParseRecord(f.last[promotion.Key].Text)
	require.NoError(t, err)
	return record
}

func (f *fakeStack) Settings(context.Context) (map[string]stack.Value, error) {
	return maps.Clone(f.settings), nil
}

func (f *fakeStack) Update(_ context.Context, change stack.Change, message string, say func(string)) error {
	maps.Copy(f.settings, change.Set)
	for _, key := range change.Remove {
		delete(f.settings, key)
	}
	f.messages = append(f.messages, message)
	say("served")
	f.last = maps.Clone(f.settings)
	f.history = append(f.history, f.last)
	return f.err
}

func (f *fakeStack) Last(context.Context) (map[string]stack.Value, bool, error) {
	return f.last, f.err == nil, nil
}

// idleCluster has no requests.
type idleCluster struct{ beginErr error }

func (idleCluster) Split(context.Context) (release.Split, error) {
	return release.Split{Stable: 1}, nil
}
func (idleCluster) Write(context.Context, release.Split) error { return nil }
func (c idleCluster) Begin(context.Context) (meter.Reading, error) {
	return meter.Reading{}, c.beginErr
}
func (idleCluster) Read(context.Context) (meter.Reading, error) { return meter.Reading{}, nil }
func (idleCluster) CanaryReady(context.Context) (int, error)    { return 1, nil }
func (idleCluster) Describe(context.Context) []string           { return nil }
func (idleCluster) Order(context.Context) (string, error)       { return "", nil }
func (idleCluster) WriteOrder(context.Context, string) error    { return nil }
func (idleCluster) Close()                                      {}

func runOn(t *testing.T, f *fakeStack, args ...string) (code int, all string) {
	t.Helper()
	return runWith(t, f, new(string), nil, args...)
}

// orderedCluster keeps an order.
type orderedCluster struct {
	idleCluster
	order *string
}

func (o orderedCluster) Order(context.Context) (string, error) { return *o.order, nil }
func (o orderedCluster) WriteOrder(_ context.Context, order string) error {
	*o.order = order
	return nil
}

// runWith is runOn with orders and environment variables.
func runWith(t *testing.T, f *fakeStack, order *string, variables map[string]string, args ...string) (code int, all string) {
	t.Helper()
	env, out := environmentOf(f)
	env.promotion = func(stack.Secret, release.App, promotion.Plan, prometheus.Access) (promotionCluster, error) {
		return orderedCluster{order: order}, nil
	}
	env.getenv = func(name string) string { return variables[name] }
	code = run(t.Context(), args, env)
	return code, out.String()
}

func environmentOf(f *fakeStack) (environment, *bytes.Buffer) {
	out := new(bytes.Buffer)
	return environment{
		stdout: out, stderr: out, now: func() time.Time { return time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC) },
		outputs: func(context.Context, string) (*stack.Outputs, error) {
			return &stack.Outputs{URL: "http://web.shop.localhost", Namespace: "shop", Name: "web"}, nil
		},
		updater: func(context.Context, string) (updater, error) { return f, nil },
		promotion: func(stack.Secret, release.App, promotion.Plan, prometheus.Access) (promotionCluster, error) {
			return idleCluster{}, nil
		},
		getenv: func(string) string { return "" },
	}, out
}

func settings(pairs ...string) map[string]stack.Value {
	all := map[string]stack.Value{}
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = stack.Value{Text: pairs[i+1]}
	}
	return all
}

func underWay(by promotion.Runner) string {
	return promotion.Record{
		Plan: promotion.Plan{Image: "shop:2", Steps: []string{"100"}}, ID: "a", By: by, Begun: time.Date(2026, 11, 27, 11, 0, 0, 0, time.UTC), Stage: 1,
	}.String()
}

func TestPromote(t *testing.T) {
	t.Parallel()
	f := &fakeStack{settings: settings("stableImage", "shop:1")}
	code, all := runOn(t, f, "promote", "--image", "shop:2", "--steps", "50,100", "--bake", "0", "--dry-run")
	require.Zero(t, code)
	const plan = `promote shop:2 as shop/web:
  1. the canary gets shop:2
  2. 50 % of the requests go to the canary
  3. 100 % of the requests go to the canary
  4. stable takes over what the canary has
  5. all requests go to stable, and the canary goes
`
	require.Equal(t, plan, all)
	require.Empty(t, f.messages)

	code, all = runOn(t, f, "promote", "--image", "shop:2", "--bake", "0", "--dry-run", "--failures", "5xx,429")
	require.Zero(t, code)
	require.Contains(t, all, "promote shop:2 as shop/web:\n     failures are answers with the status 5xx, 429\n  1. the canary")

	code, all = runOn(t, f, "promote", "--image", "shop:2", "--steps", "50,100", "--bake", "0")
	require.Zero(t, code, all)
	require.True(t, strings.HasPrefix(all, plan+"the canary gets shop:2\n    served\n    done after 0.0 s\n"), all)
	require.True(t, strings.HasSuffix(all, "promoted after 0.0 s; the stack's file has changed: commit it\n"), all)
	require.Equal(t, settings("stableImage", "shop:2", "canaryWeight", "0", "canaryReplicas", "0"), f.settings)

	f = &fakeStack{settings: settings("stableImage", "shop:1"), err: errors.New("0 of 1 pods ready")}
	code, all = runOn(t, f, "promote", "--image", "shop:2", "--bake", "0", "--output", "json")
	require.Equal(t, exitHeld, code)
	goldie.New(t).Assert(t, "promote-held-json", []byte(all))

	f = &fakeStack{settings: settings("stableImage", "shop:1"), err: errors.New("subset canary: 0 of 1 pods ready: pod web-1: container app: Unhealthy: 404")}
	code, all = runOn(t, f, "promote", "--image", "shop:2", "--bake", "0")
	require.Equal(t, exitTakenBack, code)
	require.Contains(t, all, "taken back after 0.0 s: the canary failed before it got any request: subset canary: 0 of 1 pods ready: pod web-1: container app: Unhealthy: 404\n")
	require.NotContains(t, all, "--resume")
	require.Equal(t, "0", f.settings["canaryWeight"].Text)
}

func TestPromoteForPrograms(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{"promote-json": "", "promote-plan-json": "--dry-run"} {
		code, all := runOn(t, &fakeStack{settings: settings("stableImage", "shop:1")},
			append([]string{"promote", "--image", "shop:2", "--steps", "50,100", "--bake", "0", "--failures", "5xx,429", "--output", "json"}, strings.Fields(args)...)...)
		require.Zero(t, code, all)
		goldie.New(t).Assert(t, name, []byte(all))
	}
}

func TestPromoteWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	gone := promotion.Runner{User: "ann", Host: "elsewhere", Process: 7}
	running := promotion.Me()
	running.Process = os.Getppid()
	const begin, resume = "promote --image shop:3 --bake 0", "promote --resume"
	for _, tc := range []struct {
		name, args     string
		settings, last map[string]stack.Value
		code           int
		want           string
	}{
		{"interrupted", begin, settings(), settings("promotion", underWay(gone)), exitCannot, "ann on elsewhere (process 7) has promoted shop:2 since 2026-11-27 11:00:00, was interrupted at stage 2"},
		{"interrupted in the first update", begin, settings("promotion", underWay(gone)), nil, exitCannot, "has promoted shop:2"},
		{"running", resume, settings(), settings("promotion", underWay(running)), exitCannot, "promotes shop:2 since 2026-11-27 11:00:00 and is at stage 2"},
		{"resumed", resume, settings(), settings("promotion", underWay(gone)), 0, "1. the canary gets shop:2 (done)"},
		{
			"resumed after a change", resume, settings("canaryWeight", "7", "canaryImage", "shop:2"), settings("promotion", underWay(gone), "canaryWeight", "100", "canaryImage", "shop:2"),
			exitCannot, "canary: the stack's file has changed since the promotion was interrupted: canaryWeight is 7 and was 100. `pulumi config refresh` brings back",
		},
		{"nothing to resume", resume, settings(), settings(), exitCannot, "no promotion was interrupted"},
		{"not the stack's own", begin, settings("promotion", "[]"), nil, exitCannot, "the stack's configuration promotion is not what `canary promote` wrote"},
		{"canary serves already", begin, settings("stableImage", "shop:1", "canaryWeight", "5"), nil, exitCannot, "canaryWeight is 5, and a promotion begins at 0"},
		{"wrong usage", "promote --resume --image x --steps 100", settings(), nil, exitCannot, "--image and --resume exclude each other: a promotion goes on as it was planned; --steps and --resume"},
		{"no image", "promote --output x", settings(), nil, exitCannot, `--output is "x", allowed are table, json; --image is ""`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			code, all := runOn(t, &fakeStack{settings: tc.settings, last: tc.last}, strings.Fields(tc.args)...)
			require.Equal(t, tc.code, code, all)
			require.Contains(t, all, tc.want)
		})
	}
}

func TestPromoteByPrometheus(t *testing.T) {
	t.Parallel()
	planned := promotion.Record{
		Plan: promotion.Plan{Image: "shop:2", Steps: []string{"100"}, Prometheus: &prometheus.Source{Address: "http://old", Requests: "r", Failures: "f"}},
		By:   promotion.Runner{Host: "elsewhere", Process: 7}, Stage: 3,
	}.String()
	for _, tc := range []struct {
		name, args, record string
		code               int
		want               string
		source             *prometheus.Source
		user               string
	}{
		{
			"user", "--image shop:2 --bake 1s --prometheus http://ann:secret@p:9090", "", exitCannot,
			"the requests are counted by Prometheus at http://p:9090\n", &prometheus.Source{Address: "http://p:9090", Requests: prometheus.DefaultRequests, Failures: prometheus.DefaultFailures}, "ann:secret",
		},
		{
			"queries", "--image shop:2 --bake 1s --prometheus a/p:9090 --query-requests x{${subset}} --query-failures y{${workload}}", "", exitCannot,
			"count the requests: no Prometheus", &prometheus.Source{Address: "a/p:9090", Requests: "x{${subset}}", Failures: "y{${workload}}"}, "",
		},
		{"resumed", "--resume", planned, 0, "promoted", &prometheus.Source{Address: "http://old", Requests: "r", Failures: "f"}, ""},
		{"resumed elsewhere", "--resume --prometheus http://bob:secret@new", planned, 0, "promoted", &prometheus.Source{Address: "http://new", Requests: "r", Failures: "f"}, "bob:secret"},
		{"resumed without", "--resume --prometheus http://new", underWay(promotion.Runner{Host: "elsewhere"}), exitCannot, "this promotion was planned without --prometheus", nil, ""},
		{"resumed with queries", "--resume --query-failures x", planned, exitCannot, "--query-failures and --resume exclude each other", nil, ""},
		{"no address", "--image shop:2 --query-failures x", "", exitCannot, "--query-requests and --query-failures are for a Prometheus: give its address with --prometheus", nil, ""},
		{"other failures", "--image shop:2 --prometheus http://p --failures 5xx", "", exitCannot, "--failures and --prometheus exclude each other: --query-failures says", nil, ""},
		{"wrong", "--image shop:2 --prometheus p:9090 --query-failures x", "", exitCannot, `--prometheus is "p:9090", allowed is a URL`, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := &fakeStack{settings: settings("stableImage", "shop:1"), last: settings("stableImage", "shop:1", "promotion", tc.record)}
			env, out := environmentOf(f)
			var got *prometheus.Source
			user := ""
			env.promotion = func(_ stack.Secret, _ release.App, plan promotion.Plan, access prometheus.Access) (promotionCluster, error) {
				got, user = plan.Prometheus, access.User.String()
				return idleCluster{errors.New("no Prometheus")}, nil
			}
			require.Equal(t, tc.code, run(t.Context(), append([]string{"promote"}, strings.Fields(tc.args)...), env), out)
			require.Contains(t, out.String(), tc.want)
			require.NotContains(t, out.String(), "secret")
			require.Equal(t, tc.source, got)
			require.Equal(t, tc.user, user)
			require.NotContains(t, f.settings["promotion"].Text, "secret")
		})
	}
}

func TestRollback(t *testing.T) {
	t.Parallel()
	f := &fakeStack{settings: settings("canaryWeight", "50", "promotion", underWay(promotion.Me()))}
	code, all := runOn(t, f, "rollback")
	require.Zero(t, code)
	require.Equal(t, "served\nall requests go to stable, after 0.0 s\n", all)
	require.Equal(t, settings("canaryWeight", "0"), f.settings)
	require.Equal(t, []string{"canary rollback"}, f.messages)

	code, all = runOn(t, f, "rollback", "--output", "json")
	require.Zero(t, code)
	goldie.New(t).Assert(t, "rollback-json", []byte(all))
	code, all = runOn(t, f, "rollback", "--output", "yaml")
	require.Equal(t, exitCannot, code)
	require.Equal(t, "canary: --output is \"yaml\", allowed are table, json; `canary rollback --help` lists what is allowed\n", all)

	f.err = errors.New("the API server does not answer")
	code, all = runOn(t, f, "rollback")
	require.Equal(t, exitCannot, code)
	require.Contains(t, all, "canary: after 0.0 s: the API server does not answer")

	f.err = errors.New("program failed: the split 100/0 is served, but: subset canary: 0 of 1 pods ready: CrashLoopBackOff\nupdate failed")
	code, all = runOn(t, f, "rollback")
	require.Zero(t, code)
	require.Equal(t, "served\nthe update waited for the canary, which has no share: subset canary: 0 of 1 pods ready: CrashLoopBackOff\nall requests go to stable, after 0.0 s\n", all)
}
