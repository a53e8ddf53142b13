//go:build e2e

package e2e

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/test/load"
)

// TestLoad changes everything that a user of the stack can change while requests are sent, and loses none. Then it shows
// that what takes longer than drainSeconds is cut.
//
// LOAD_REQUESTS is the least number of requests (40000), LOAD_RATE the short requests per second of each path (200),
// LOAD_REPORT a file that the result is written to.
func TestLoad(t *testing.T) {
	images := loadImages(t, "a", "b")
	p := newLoadStack(t, images)
	p.withoutRetries(t)
	p.up(t)

	t.Run("no request is lost", func(t *testing.T) { p.loseNothing(t, images) })
	t.Run("longer than drainSeconds is cut", func(t *testing.T) { p.cutLongRequests(t, images) })
}

func (p *project) loseNothing(t *testing.T, images map[string]string) {
	least := 40_000
	if text := os.Getenv("LOAD_REQUESTS"); text != "" {
		var err error
		least, err = strconv.Atoi(text)
		require.NoError(t, err, "LOAD_REQUESTS")
	}
	rate := loadRate(t)
	retries := outboundRetries(t, p.client(t))
	require.Empty(t, retries, "outbound retries are to be off")

	r := p.startLoad(t, images["a"], load.Target{Rate: rate, Long: load.LongPaths})
	rounds := 0
	for done := false; !done; done = r.journal.Requests("") >= least {
		rounds++
		r.changeEverything(images)
	}
	const longest = 20 * time.Second
	r.finish(longest)

	lost := r.journal.Lost()
	table := load.Table(r.journal.Count())
	t.Logf("%d rounds, %v requests/s by each path\n%s\n%s", rounds, rate, table, load.Describe(lost, 50))
	if file := os.Getenv("LOAD_REPORT"); file != "" {
		require.NoError(t, os.WriteFile(file, []byte(soakReport(t, rounds, rate, r.journal)), 0o644))
	}
	require.GreaterOrEqual(t, r.journal.Requests(""), least)
	require.Empty(t, lost, "lost requests; they are listed above")
}

// changeEverything is one round. It begins and ends with weight 0, one pod of each subset, and the images it found.
func (r *loadRun) changeEverything(images map[string]string) {
	pods := []string{appName, meshNamespace}
	for _, weight := range []string{"10", "50", "100", "0"} {
		r.step("weight to "+weight, r.weigh(weight))
	}
	r.step("roll of the canary's image at weight 0", r.configure("canaryImage", images["b"]))
	r.step("weight to 50", r.weigh("50"))
	r.step("roll of the canary's image at weight 50", r.configure("canaryImage", images["a"]))
	r.step("both are draining", func() { drained(r.t, r.client, pods...) })
	r.step("both subsets to 3 pods at weight 50", r.configure("stableReplicas", "3", "canaryReplicas", "3"))
	r.step("both subsets to 1 pod at weight 50", r.configure("stableReplicas", "1", "canaryReplicas", "1"))
	r.step("rolling restart of the ingress gateway", func() { restart(r.t, r.client, meshNamespace, ingressName) })
	r.step("both are draining", func() { drained(r.t, r.client, pods...) })
	r.step("weight to 100", r.weigh("100"))
	r.step("roll of the stable image at weight 100", r.configure("stableImage", images["b"]))
	r.step("weight flipped 20 times", func() {
		for i := range 20 {
			r.weigh([]string{"0", "100"}[i%2])()
		}
	})
	r.step("roll of the stable image at weight 100", r.configure("stableImage", images["a"]))
	r.step("weight to 0", r.weigh("0"))
	r.step("they are draining", func() { drained(r.t, r.client, pods...) })
}

func (p *project) cutLongRequests(t *testing.T, images map[string]string) {
	const path = "/slow?seconds=40"
	r := p.startLoad(t, images["a"], load.Target{Rate: 20, Long: []string{path}})
	r.step("roll of the stable image at weight 0", r.configure("stableImage", images["b"]))
	r.step("drain of it", func() { drained(t, r.client, appName) })
	const longest = 40 * time.Second
	r.finish(longest)

	lost := r.journal.Lost()
	t.Logf("\n%s\n%s", load.Table(r.journal.Count()), load.Describe(lost, 10))
	require.NotEmpty(t, lost)
	for _, l := range lost {
		require.Equal(t, path, l.Path, "only requests longer than drainSeconds are cut")
		require.Greater(t, time.Duration(l.Latency)*time.Microsecond, 20*time.Second, "none is cut before drainSeconds")
	}
}
