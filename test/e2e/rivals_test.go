//go:build e2e && rivals

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/pins"
	"canary/internal/traffic"
	"canary/test/e2e/harness"
	"canary/test/machine"
	"canary/test/rivals"
)

const (
	rivalsRate     = 100              // requests a second
	rivalsFastRate = 500              // of the releases that are tried with more requests, too
	rivalsBake     = 30 * time.Second // of a step, where a tool has such a setting
	rivalsDeadline = 60               // seconds that a canary has to get ready
	rivalsLongest  = 6 * time.Minute  // that a rival's release is waited for
	rivalsBefore   = 3 * time.Second  // that the load runs before a release, and after its verdict
	rivalsAfter    = 6 * time.Second
)

// rivalsReleases are what is released, and how the test server is started for that.
var rivalsReleases = []struct {
	name    string
	image   string
	args    []string
	slow    bool
	control bool // whether it only shows that a tool lets one pass
	fast    bool // whether it is tried at rivalsFastRate, too
}{
	{name: "healthy", image: harness.TestImage("rivals:healthy"), control: true},
	{name: "every answer 500", image: harness.TestImage("rivals:fails"), args: []string{"-fails", "1"}, fast: true},
	{name: "5 % of the answers 500", image: harness.TestImage("rivals:fails-some"), args: []string{"-fails", "0.05"}, fast: true},
	{name: "300 ms slower", image: harness.TestImage("rivals:slow"), args: []string{"-delay", "300ms"}, slow: true},
	{name: "crash 30 s after each start", image: harness.TestImage("rivals:crash"), args: []string{"-crash-after", "30s"}},
	{name: "never ready", image: harness.TestImage("rivals:deaf"), args: []string{"-listen", ":9999"}},
}

// rivalsStable is the version before.
var rivalsStable = harness.TestImage("rivals:stable")

// contender is a tool that releases.
type contender interface {
	// start starts what it needs, until the test is over.
	start(t *testing.T)
	// stable brings up a healthy app, and says by which host it's reached.
	stable(t *testing.T) (host string)
	// release releases an image, and waits until that is over.
	release(t *testing.T, image string) verdict
}

// verdict is how a release ended, and what the tool said of it.
type verdict struct{ what, said string }

// TestRivals releases the same versions by this stack, by Flagger and by Argo Rollouts, each onto a healthy app under the
// same load, and counts what users saw. The controllers and Prometheus have to be in the PATH (scripts/bench-rivals.sh); the
// result is written to the file RIVALS_REPORT.
func TestRivals(t *testing.T) {
	p := newRivalsStack(t)
	report := &rivals.Report{Intro: rivalsIntro()}
	for _, tool := range []struct {
		rivals.Tool
		contender
	}{
		{rivals.Tool{Name: "canary promote", Settings: ownSettings}, &ownStack{Project: p}},
		{rivals.Tool{Name: "canary promote, copies first", Settings: ownCopiesSettings}, &ownStack{Project: p, copies: true}},
		{rivals.Tool{Name: "canary promote --prometheus", Settings: ownPrometheusSettings}, &ownStack{Project: p, byPrometheus: true}},
		{rivals.Tool{Name: "Flagger", Settings: flaggerSettings, Rival: true}, &flagger{rival: rival{Project: p}}},
		{rivals.Tool{Name: "Argo Rollouts", Settings: argoSettings, Rival: true}, &argo{rival: rival{Project: p}}},
	} {
		report.Tools = append(report.Tools, tool.Tool)
		t.Run(tool.Name, func(t *testing.T) {
			tool.start(t)
			own, _ := tool.contender.(*ownStack)
			for _, release := range rivalsReleases {
				if own != nil && (release.control && own.copies || own.byPrometheus && (release.control || release.slow)) {
					continue
				}
				rates := []float64{rivalsRate}
				if release.fast {
					rates = append(rates, rivalsFastRate)
				}
				for _, rate := range rates {
					name := fmt.Sprintf("%s, %v requests a second", release.name, rate)
					t.Run(name, func(t *testing.T) {
						trial := measureHarm(t, p, tool.contender, release.image, rate, release.slow)
						trial.Release, trial.Tool = name, tool.Name
						t.Logf("%+v", trial)
						report.Trials = append(report.Trials, trial)
					})
				}
			}
		})
	}
	report.Date, report.Machine = time.Now(), machine.Facts()
	t.Logf("\n%s", report.Markdown())
	if file := os.Getenv("RIVALS_REPORT"); file != "" {
		require.NoError(t, os.WriteFile(file, []byte(report.Markdown()), 0o644))
	}
}

// newRivalsStack is a stack with the healthy app, whose nodes have the images of all releases.
func newRivalsStack(t *testing.T) *harness.Project {
	t.Helper()
	server := harness.Archive(t, harness.BuildProgram(t, "testserver"))
	harness.ImportImage(t, rivalsStable, server, "/testserver", "-subset", "stable")
	images := []string{rivalsStable}
	for _, release := range rivalsReleases {
		harness.ImportImage(t, release.image, server, append([]string{"/testserver", "-subset", "canary"}, release.args...)...)
		images = append(images, release.image)
	}
	p := harness.NewProject(t, "agents=1", "importImages="+strings.Join(images, ","), "stableImage="+rivalsStable, "readinessPath=/ready",
		fmt.Sprintf("startSeconds=%d", rivalsDeadline), "drainSeconds=1", "canaryReplicas=0")
	t.Cleanup(func() { p.Destroy(t) })
	p.Up(t)
	return p
}

func rivalsIntro() string {
	return fmt.Sprintf(`One release each, one after the other, on one cluster (Istio %s, %s), of one pod beside one pod of a healthy app, with POST requests
through the k3d load balancer and the ingress gateway, on time whatever the answers do, and none sent twice by the client. Istio's own retries are as they are by default, for all.
The steps are 5, 25, 50 and 100 %%, and a canary has %d s to get ready. Bad is every status of 400 or above, every transport error and every timeout (10 s); of the slower release,
each answer of the canary that took %d ms longer than the median before the release. The time of bad answers is from the first to the last; the load goes on for %.0f s after the verdict.
The healthy release is there to show that the settings let one pass, and how long that takes.

The rivals' controllers run beside the cluster, as plain processes; so does their Prometheus, which scrapes every %s.
What it scrapes as istio_requests_total and istio_request_duration_milliseconds (reporter "destination") are Envoy's own counters and buckets of what the sidecar of each of the app's pods sent to its app, since the stock Envoy of the lab lacks Istio's filter that makes those metrics.`,
		pins.IstioVersion, pins.K3sImage, rivalsDeadline, rivals.Late.Milliseconds(), rivalsAfter.Seconds(), scrapeInterval)
}

// measureHarm releases an image under load.
func measureHarm(t *testing.T, p *harness.Project, c contender, image string, rate float64, slow bool) rivals.Trial {
	t.Helper()
	host := c.stable(t)
	options := traffic.Options{URL: fmt.Sprintf("http://127.0.0.1:%d/", p.Port), Host: host, Method: http.MethodPost}
	answersWell(t, options)
	options.Rate = rate
	var results []traffic.Result
	options.OnResult = func(r traffic.Result) { results = append(results, r) }
	finish := harness.Send(t, options)
	time.Sleep(rivalsBefore)
	begun := time.Now()
	v := c.release(t, image)
	took := time.Since(begun)
	time.Sleep(rivalsAfter)
	tally := finish()
	for _, r := range results {
		if r.Start.Before(begun) {
			require.Empty(t, r.Failure(), "a request fails before the release: %v", r.Err)
		}
	}
	t.Logf("failures by class: %v", tally.Failures())
	return rivals.Trial{Harm: rivals.Measure(results, begun, slow), Verdict: v.what, Took: took, Said: strings.Join(strings.Fields(v.said), " ")}
}

// answersWell waits until a host answers well, again and again.
func answersWell(t *testing.T, o traffic.Options) {
	t.Helper()
	o.Count = 50
	harness.Eventually(t, time.Minute, func(ctx context.Context) error {
		tally := new(traffic.Tally)
		o.OnResult = tally.Add
		if err := traffic.Run(ctx, o); err != nil {
			return err
		}
		if tally.Failed() > 0 {
			return fmt.Errorf("%d of %d requests to %s failed: %v", tally.Failed(), tally.Requests(), o.Host, slices.Sorted(maps.Keys(tally.Failures())))
		}
		return nil
	})
}

// ended waits until a look at a release tells its verdict, or it has taken too long.
func ended(t *testing.T, look func(context.Context) (verdict, error)) verdict {
	t.Helper()
	deadline := time.Now().Add(rivalsLongest)
	for {
		v, err := look(t.Context())
		if err == nil {
			return v
		}
		if time.Now().After(deadline) {
			return verdict{what: "no verdict", said: err.Error()}
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// errGoesOn is of a release that has no verdict yet.
var errGoesOn = errors.New("it goes on")

const (
	ownSettings           = "`canary promote --steps 5,25,50,100 --bake 30s`, else the defaults; startSeconds 60, drainSeconds 1."
	ownCopiesSettings     = "the same with `mirrorPercent` 100 and `--steps 0,5,25,50,100`: the canary is judged on copies of the requests before it gets any. Both rivals can mirror requests as well; that was not tried."
	ownPrometheusSettings = "the same, counted by a Prometheus that scrapes the gateway's pods every " + scrapeInterval + ", with `--query-requests '" + ownRequests + "' --query-failures '" + ownFailures +
		"'`. It is not tried with the slower release, since it does not judge slowness, nor with the healthy one."
)

// ownStack is this stack, which counts for itself or by a Prometheus.
type ownStack struct {
	*harness.Project
	copies       bool // whether it's judged on copies first
	byPrometheus bool
	args         []string // of a promotion, for that
}

func (o *ownStack) start(t *testing.T) {
	t.Helper()
	if o.byPrometheus {
		o.args = []string{"--prometheus", scrapeGateway(t, o.Client(t)), "--query-requests", ownRequests, "--query-failures", ownFailures}
	}
}

func (o *ownStack) stable(t *testing.T) string {
	t.Helper()
	copied := "0"
	if o.copies {
		copied = "100"
	}
	o.SetAll(t, "stableImage="+rivalsStable, "canaryImage=", "canaryWeight=0", "canaryReplicas=0", "mirrorPercent="+copied)
	o.Up(t)
	return harness.AppName + "." + harness.AppName + ".localhost"
}

func (o *ownStack) release(t *testing.T, image string) verdict {
	t.Helper()
	steps := "5,25,50,100"
	if o.copies {
		steps = "0," + steps
	}
	args := []string{"promote", "--stack", o.Stack, "--image", image, "--steps", steps, "--bake", rivalsBake.String()}
	out := o.AttemptCommand(t, "canary", append(args, o.args...)...)
	t.Logf("exit code %d after %.1f s\n%s", out.Code, out.Took.Seconds(), out.All)
	if out.Code == 0 {
		return verdict{"promoted", harness.LineWith(out.All, "promoted after")}
	}
	t.Cleanup(func() { rollBack(t, o.Project) })
	if out.Code == 4 {
		return verdict{"taken back", harness.LineWith(out.All, "taken back after")}
	}
	return verdict{fmt.Sprintf("exit code %d", out.Code), harness.LastLines(out.All, 1)}
}
