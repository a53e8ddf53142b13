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

	"canary/test/load"
)

// TestSickCanary shows what bad canaries do to requests with the defaults, Istio's own retries included, and how fast
// one command takes them out.
func TestSickCanary(t *testing.T) {
	images := loadImages(t, "a")
	images["crash"] = testImage("load:crash")
	importImage(t, images["crash"], archive(t, buildProgram(t, "testserver")), "/testserver", "-crash-after", "25s")
	p := newLoadStack(t, images)
	p.up(t)

	t.Run("an image that does not exist", func(t *testing.T) { p.refuseMissingImage(t, images) })
	t.Run("answers 500 while it is ready", func(t *testing.T) { p.leaveSickCanary(t, images) })
	t.Run("one of three pods exits", func(t *testing.T) { p.loseOnePod(t, images) })
	t.Run("crashes again and again", func(t *testing.T) { p.leaveCrashingCanary(t, images) })
}

const sickRate = 100

func (p *project) refuseMissingImage(t *testing.T, images map[string]string) {
	r := p.startLoad(t, images["a"], load.Target{Rate: sickRate})
	before := splitVersion(t, r.client, appName, appName)
	const missing = "registry.invalid/no-such-image:1"
	p.setAll(t, "canaryImage="+missing, "canaryWeight=50")
	var out outcome
	r.step("up to weight 50 with an image that does not exist", func() { out = p.attempt(t, upArgs...) })
	r.finish(0)

	t.Logf("up said after %.1f s:\n%s", out.took.Seconds(), out.all)
	require.NotZero(t, out.code)
	require.Contains(t, out.all, "canary: 0 of 1 pods ready")
	require.Contains(t, out.all, missing)
	require.Equal(t, before, splitVersion(t, r.client, appName, appName), "the split is not written")
	t.Logf("resourceVersion of the VirtualService: %s before and after\n%s", before, load.Table(r.journal.Count()))
	require.Empty(t, r.journal.Lost(), load.Describe(r.journal.Lost(), 20))
	for _, record := range r.journal.Records() {
		require.Equal(t, "stable", record.Subset)
	}
	p.setAll(t, "canaryImage="+images["a"], "canaryWeight=0")
	p.up(t)
}

func (p *project) leaveSickCanary(t *testing.T, images map[string]string) {
	r := p.startLoad(t, images["a"], load.Target{Rate: sickRate})
	r.step("weight to 50", r.weigh("50"))
	for _, pod := range podsOf(t, r.client, appName, appName, "canary") {
		r.step("the canary answers 500", func() { ask(t, r.client, http.MethodPost, appName, pod.Name, 8080, "/sick") })
	}
	r.sent(sickRate)
	command := time.Now()
	r.step("config set canaryWeight 0 && up", r.weigh("0"))
	returned := time.Now()
	r.sent(sickRate)
	r.finish(0)

	r.tellFailures(command, returned)
	last := r.lastOf("canary")
	t.Logf("the last request that reached the canary was sent %.2f s after the command was typed, and up returned after %.2f s",
		last.Sub(command).Seconds(), returned.Sub(command).Seconds())
	require.True(t, last.Before(returned), "when up returns no request reaches the canary")
}

func (p *project) loseOnePod(t *testing.T, images map[string]string) {
	// New pods, since the ones that are there are sick.
	p.setAll(t, "canaryReplicas=0")
	p.up(t)
	p.setAll(t, "canaryReplicas=3")
	p.up(t)
	r := p.startLoad(t, images["a"], load.Target{Rate: sickRate})
	r.step("weight to 50", r.weigh("50"))
	pod := podsOf(t, r.client, appName, appName, "canary")[0].Name
	exit := time.Now()
	r.step("one of three canary pods exits", func() { r.crash(pod) })
	r.sent(10 * sickRate)
	r.step("weight to 0", r.weigh("0"))
	r.finish(0)
	r.tellFailures(exit, time.Now())
}

// crash makes the process in a pod exit, and waits until its container runs again.
func (r *loadRun) crash(pod string) {
	r.t.Helper()
	forward := r.client.Forward(appName, pod)
	defer func() { _ = forward.Close() }()
	client := http.Client{Transport: &http.Transport{DialContext: forward.DialContext(8080)}, Timeout: 10 * time.Second}
	resp, err := client.Post("http://localhost/exit", "", nil)
	if err == nil {
		_ = resp.Body.Close()
	}
	eventually(r.t, time.Minute, func(context.Context) error {
		if n := r.restarts(); n == 0 {
			return fmt.Errorf("no container of pod %s was restarted", pod)
		}
		return nil
	})
}

// restarts is how often containers of the canary's pods were restarted.
func (r *loadRun) restarts() int {
	n := 0
	for _, pod := range podsOf(r.t, r.client, appName, appName, "canary") {
		for _, s := range pod.Status.ContainerStatuses {
			n += int(s.RestartCount)
		}
	}
	return n
}

func (p *project) leaveCrashingCanary(t *testing.T, images map[string]string) {
	r := p.startLoad(t, images["a"], load.Target{Rate: sickRate})
	r.step("release of a canary that exits after 25 s", r.configure("canaryImage", images["crash"], "canaryReplicas", "1"))
	r.step("weight to 50", r.weigh("50"))
	r.step("its first crash", func() { r.awaitFailures(1) })
	r.step("its second crash", func() {
		eventually(t, 2*time.Minute, func(context.Context) error {
			if n := r.restarts(); n < 2 {
				return fmt.Errorf("%d restarts", n)
			}
			return nil
		})
	})
	command := time.Now()
	r.step("config set canaryWeight 0 && up", func() {
		p.setAll(t, "canaryWeight=0")
		// Whether the update also fails, since the canary is not ready, depends on the moment.
		out := p.attempt(t, upArgs...)
		t.Logf("up: exit code %d after %.1f s\n%s", out.code, out.took.Seconds(), lastLines(out.all, 12))
	})
	returned := time.Now()
	r.sent(5 * sickRate)
	r.finish(0)

	r.tellFailures(command, returned)
	t.Logf("the last request that reached the canary was sent %.2f s after the command was typed, and up returned after %.2f s",
		r.lastOf("canary").Sub(command).Seconds(), returned.Sub(command).Seconds())
}

func (r *loadRun) awaitFailures(least int) {
	r.t.Helper()
	eventually(r.t, 2*time.Minute, func(context.Context) error {
		if n := len(r.journal.Lost()); n < least {
			return fmt.Errorf("%d requests failed", n)
		}
		return nil
	})
}

// lastOf is when the last request that the subset answered was sent, or one that no subset answered.
func (r *loadRun) lastOf(subset string) time.Time {
	var last time.Time
	for _, record := range r.journal.Records() {
		if (record.Subset == subset || record.Failure != "") && record.Began().After(last) {
			last = record.Began()
		}
	}
	return last
}

// tellFailures logs the failures, and in which spans of time requests failed.
func (r *loadRun) tellFailures(command, returned time.Time) {
	r.t.Helper()
	lost := r.journal.Lost()
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
	r.t.Logf("%d of %d requests failed; times count from the command or event, which was over after %.2f s\n%s\n\n%s\n%s", len(lost),
		r.journal.Requests(""), returned.Sub(command).Seconds(), strings.Join(spans, "\n"), load.Table(r.journal.Count()), load.Describe(lost, 6))
}
