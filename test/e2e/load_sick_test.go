//go:build e2e && soak

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/test/e2e/harness"
	"canary/test/load"
)

// TestSickCanary shows what bad canaries do to requests with the defaults, Istio's own retries included, and how fast
// one command takes them out.
func TestSickCanary(t *testing.T) {
	images := harness.LoadImages(t, "a")
	images["crash"] = harness.TestImage("load:crash")
	harness.ImportImage(t, images["crash"], harness.Archive(t, harness.BuildProgram(t, "testserver")), "/testserver", "-crash-after", "25s")
	p := harness.NewLoadStack(t, images)
	p.Up(t)

	t.Run("an image that does not exist", func(t *testing.T) { refuseMissingImage(t, p, images) })
	t.Run("answers 500 while it is ready", func(t *testing.T) { leaveSickCanary(t, p, images) })
	t.Run("one of three pods exits", func(t *testing.T) { loseOnePod(t, p, images) })
	t.Run("crashes again and again", func(t *testing.T) { leaveCrashingCanary(t, p, images) })
}

const sickRate = 100

func refuseMissingImage(t *testing.T, p *harness.Project, images map[string]string) {
	r := p.StartLoad(t, images["a"], load.Target{Rate: sickRate})
	before := harness.SplitVersion(t, r.Client, harness.AppName, harness.AppName)
	const missing = "registry.invalid/no-such-image:1"
	p.SetAll(t, "canaryImage="+missing, "canaryWeight=50")
	var out harness.Outcome
	r.Step("up to weight 50 with an image that does not exist", func() { out = p.Attempt(t, harness.UpArgs...) })
	r.Finish(0)

	t.Logf("up said after %.1f s:\n%s", out.Took.Seconds(), out.All)
	require.NotZero(t, out.Code)
	require.Contains(t, out.All, "canary: 0 of 1 pods ready")
	require.Contains(t, out.All, missing)
	require.Equal(t, before, harness.SplitVersion(t, r.Client, harness.AppName, harness.AppName), "the split is not written")
	t.Logf("resourceVersion of the VirtualService: %s before and after\n%s", before, load.Table(r.Journal.Count()))
	require.Empty(t, r.Journal.Lost(), load.Describe(r.Journal.Lost(), 20))
	for _, record := range r.Journal.Records() {
		require.Equal(t, "stable", record.Subset)
	}
	p.SetAll(t, "canaryImage="+images["a"], "canaryWeight=0")
	p.Up(t)
}

func leaveSickCanary(t *testing.T, p *harness.Project, images map[string]string) {
	r := p.StartLoad(t, images["a"], load.Target{Rate: sickRate})
	r.Step("weight to 50", r.Weigh("50"))
	for _, pod := range harness.PodsOf(t, r.Client, harness.AppName, harness.AppName, "canary") {
		r.Step("the canary answers 500", func() { harness.Ask(t, r.Client, http.MethodPost, harness.AppName, pod.Name, 8080, "/sick") })
	}
	r.Sent(sickRate)
	command := time.Now()
	r.Step("config set canaryWeight 0 && up", r.Weigh("0"))
	returned := time.Now()
	r.Sent(sickRate)
	r.Finish(0)

	tellFailures(r, command, returned)
	last := lastOf(r, "canary")
	t.Logf("the last request that reached the canary was sent %.2f s after the command was typed, and up returned after %.2f s",
		last.Sub(command).Seconds(), returned.Sub(command).Seconds())
	require.True(t, last.Before(returned), "when up returns no request reaches the canary")
}

func loseOnePod(t *testing.T, p *harness.Project, images map[string]string) {
	// New pods, since the ones that are there are sick.
	p.SetAll(t, "canaryReplicas=0")
	p.Up(t)
	p.SetAll(t, "canaryReplicas=3")
	p.Up(t)
	r := p.StartLoad(t, images["a"], load.Target{Rate: sickRate})
	r.Step("weight to 50", r.Weigh("50"))
	pod := harness.PodsOf(t, r.Client, harness.AppName, harness.AppName, "canary")[0].Name
	exit := time.Now()
	r.Step("one of three canary pods exits", func() { crash(r, pod) })
	r.Sent(10 * sickRate)
	r.Step("weight to 0", r.Weigh("0"))
	r.Finish(0)
	tellFailures(r, exit, time.Now())
}

// crash makes the process in a pod exit, and waits until its container runs again.
func crash(r *harness.LoadRun, pod string) {
	r.T.Helper()
	forward := r.Client.Forward(harness.AppName, pod)
	defer func() { _ = forward.Close() }()
	client := http.Client{Transport: &http.Transport{DialContext: forward.DialContext(8080)}, Timeout: 10 * time.Second}
	resp, err := client.Post("http://localhost/exit", "", nil)
	if err == nil {
		_ = resp.Body.Close()
	}
	harness.Eventually(r.T, time.Minute, func(context.Context) error {
		if n := restarts(r); n == 0 {
			return fmt.Errorf("no container of pod %s was restarted", pod)
		}
		return nil
	})
}

// restarts is how often containers of the canary's pods were restarted.
func restarts(r *harness.LoadRun) int {
	n := 0
	for _, pod := range harness.PodsOf(r.T, r.Client, harness.AppName, harness.AppName, "canary") {
		for _, s := range pod.Status.ContainerStatuses {
			n += int(s.RestartCount)
		}
	}
	return n
}

func leaveCrashingCanary(t *testing.T, p *harness.Project, images map[string]string) {
	r := p.StartLoad(t, images["a"], load.Target{Rate: sickRate})
	r.Step("release of a canary that exits after 25 s", r.Configure("canaryImage", images["crash"], "canaryReplicas", "1"))
	r.Step("weight to 50", r.Weigh("50"))
	r.Step("its first crash", func() { awaitFailures(r, 1) })
	r.Step("its second crash", func() {
		harness.Eventually(t, 2*time.Minute, func(context.Context) error {
			if n := restarts(r); n < 2 {
				return fmt.Errorf("%d restarts", n)
			}
			return nil
		})
	})
	command := time.Now()
	r.Step("config set canaryWeight 0 && up", func() {
		p.SetAll(t, "canaryWeight=0")
		// Whether the update also fails, since the canary is not ready, depends on the moment.
		out := p.Attempt(t, harness.UpArgs...)
		t.Logf("up: exit code %d after %.1f s\n%s", out.Code, out.Took.Seconds(), harness.LastLines(out.All, 12))
	})
	returned := time.Now()
	r.Sent(5 * sickRate)
	r.Finish(0)

	tellFailures(r, command, returned)
	t.Logf("the last request that reached the canary was sent %.2f s after the command was typed, and up returned after %.2f s",
		lastOf(r, "canary").Sub(command).Seconds(), returned.Sub(command).Seconds())
}

func awaitFailures(r *harness.LoadRun, least int) {
	r.T.Helper()
	harness.Eventually(r.T, 2*time.Minute, func(context.Context) error {
		if n := len(r.Journal.Lost()); n < least {
			return fmt.Errorf("%d requests failed", n)
		}
		return nil
	})
}

// lastOf is when the last request that the subset answered was sent, or one that no subset answered.
func lastOf(r *harness.LoadRun, subset string) time.Time {
	var last time.Time
	for _, record := range r.Journal.Records() {
		if (record.Subset == subset || record.Failure != "") && record.Began().After(last) {
			last = record.Began()
		}
	}
	return last
}

// tellFailures logs the failures, and in which spans of time requests failed.
func tellFailures(r *harness.LoadRun, command, returned time.Time) {
	r.T.Helper()
	lost := r.Journal.Lost()
	var spans []string
	const gap = time.Second
	for i := 0; i < len(lost); {
		j := i
		for j+1 < len(lost) && lost[j+1].Ended().Sub(lost[j].Ended()) < gap {
			j++
		}
		spans = append(spans, fmt.Sprintf("%d requests failed within %.2f s, from %+.2f s on", j-i+1,
			lost[j].Ended().Sub(lost[i].Ended()).Seconds(), lost[i].Ended().Sub(command).Seconds()))
		i = j + 1
	}
	r.T.Logf("%d of %d requests failed; times count from the command or event, which was over after %.2f s\n%s\n\n%s\n%s", len(lost),
		r.Journal.Requests(""), returned.Sub(command).Seconds(), strings.Join(spans, "\n"), load.Table(r.Journal.Count()), load.Describe(lost, 6))
}
