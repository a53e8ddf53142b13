package promotion

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/stack"
)

func TestStages(t *testing.T) {
	t.Parallel()
	plan := Plan{Image: "shop:2", Steps: []string{"5", "100"}}
	text := func(value string) stack.Value { return stack.Value{Text: value} }
	stages := func(plan Plan, settings map[string]stack.Value) []Stage {
		t.Helper()
		got, err := Stages(plan, settings)
		require.NoError(t, err)
		return got
	}
	require.Equal(t, []Stage{
		{Name: "the canary gets shop:2", Weight: "0", Set: map[string]stack.Value{"canaryImage": text("shop:2"), "canaryWeight": text("0"), "canaryReplicas": text("3")}},
		{Name: "5 % of the requests go to the canary", Weight: "5", Set: map[string]stack.Value{"canaryWeight": text("5")}, Bake: true},
		{Name: "100 % of the requests go to the canary", Weight: "100", Set: map[string]stack.Value{"canaryWeight": text("100")}, Bake: true},
		{Name: "stable takes over what the canary has", Weight: "100", Set: map[string]stack.Value{
			"stableImage": text("shop:2"), "env.LEVEL": text("debug"), "env.TOKEN": text("x"), `env["a.b"]`: text("true"), "pod": text("canary.yaml"),
		}},
		{Name: "all requests go to stable, and the canary goes", Weight: "0", Set: map[string]stack.Value{"canaryWeight": text("0"), "canaryReplicas": text("0")},
			Remove: []string{"promotion", "canaryEnv", "canaryImage", "canaryMaxReplicas", "canaryPod"}},
	}, stages(plan, map[string]stack.Value{
		"stableReplicas": text("3"), "canaryEnv": text(`{"TOKEN":"x","LEVEL":"debug","a.b":true}`), "canaryPod": text("canary.yaml"),
	}))

	copies := stages(Plan{Image: "shop:2", Steps: []string{"0", "100"}}, nil)
	require.Equal(t, Stage{Name: "copies of the requests go to the canary", Weight: "0", Set: map[string]stack.Value{"canaryWeight": text("0")}, Bake: true}, copies[1])

	plan.KeepCanary = true
	kept := stages(plan, map[string]stack.Value{"canaryReplicas": text("2"), "pod": text("{}"), "canaryPod": text(""), "canaryEnv": {Text: `{"TOKEN":"x"}`, Secret: true}})
	require.NotContains(t, kept[0].Set, "canaryReplicas", "the canary has as many pods as stable already")
	require.Equal(t, map[string]stack.Value{"stableImage": text("shop:2"), "env.TOKEN": {Text: "x", Secret: true}}, kept[3].Set)
	require.Equal(t, Stage{
		Name: "all requests go to stable, and the canary stays", Weight: "0", Set: map[string]stack.Value{"canaryWeight": text("0")}, Remove: []string{"promotion"},
	}, kept[4])

	_, err := Stages(plan, map[string]stack.Value{"pod": text("{}"), "canaryPod": text("canary.yaml")})
	require.ErrorContains(t, err, "pod and canaryPod are both set")
	_, err = Stages(plan, map[string]stack.Value{"canaryEnv": text("[]")})
	require.ErrorContains(t, err, "canaryEnv is no object of environment variables")
}

func TestReady(t *testing.T) {
	t.Parallel()
	shares, copies := Plan{Steps: []string{"5", "100"}}, Plan{Steps: []string{"0", "100"}}
	for _, tc := range []struct {
		plan                  Plan
		image, weight, copied string
		want                  string // "" is that it can begin
	}{
		{shares, "shop:1", "0", "", ""},
		{shares, "shop:1", "5", "", "canaryWeight is 5, and a promotion begins at 0"},
		{shares, "", "", "", "stableImage is not set"},
		{copies, "shop:1", "", "", "--steps begins with 0, where the canary is judged on copies of the requests, and mirrorPercent is not set"},
		{copies, "shop:1", "", "0.0", "mirrorPercent is not set"},
		{copies, "shop:1", "", "0.5", ""},
	} {
		err := Ready(tc.plan, map[string]stack.Value{"stableImage": {Text: tc.image}, "canaryWeight": {Text: tc.weight}, "mirrorPercent": {Text: tc.copied}})
		if tc.want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, tc.want)
		}
	}
}

func TestProblemsOfAPlan(t *testing.T) {
	t.Parallel()
	good := Plan{Image: "shop:2", Steps: []string{"0.05", "5", "100"}, MaxFailures: 0.01, Confidence: 0.99}
	require.Empty(t, good.Problems())
	good.Steps = append([]string{"0"}, good.Steps...)
	require.Empty(t, good.Problems())
	for _, tc := range []struct {
		change func(*Plan)
		want   string
	}{
		{func(p *Plan) { p.Image = "" }, `--image is "", allowed is an image reference`},
		{func(p *Plan) { p.Steps = []string{"50", "25", "100"} }, `--steps has "25", allowed are percentages with at most two decimals, each larger than the one before`},
		{func(p *Plan) { p.Steps = []string{"x", "100"} }, `--steps has "x", allowed are percentages`},
		{func(p *Plan) { p.Steps = []string{"5", "0", "100"} }, `--steps has "0", allowed are percentages`},
		{func(p *Plan) { p.Steps = []string{"50"} }, `--steps is "50", and has to end with 100`},
		{func(p *Plan) { p.Bake = -1 }, `--bake is -1ns and --max-hold 0s, allowed are times of 0 and above`},
		{func(p *Plan) { p.MaxFailures = 0 }, `--max-failures is 0, allowed is a share above 0 and below 1`},
		{func(p *Plan) { p.MaxSlowdown = 1 }, `--max-slowdown is 1, allowed is a share of 0 to below 1`},
		{func(p *Plan) { p.SlowAfter = Duration(300 * time.Millisecond) }, `--slow-after is 300ms, allowed are the bounds of Envoy's statistics: 500µs, 1ms, 5ms,`},
		{func(p *Plan) { p.Failures = []string{"5xx", "50x"} }, `--failures has "50x", allowed are statuses from 200 to 599 and classes from 2xx to 5xx`},
		{func(p *Plan) { p.Confidence = 1 }, `--confidence is 1, allowed is 0.5 to below 1`},
	} {
		plan := good
		tc.change(&plan)
		problems := plan.Problems()
		require.Len(t, problems, 1)
		require.Contains(t, problems[0], tc.want)
	}
}
