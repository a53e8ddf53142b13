//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/test/e2e/harness"
	"canary/test/load"
)

// TestLoad changes everything that a user of the stack can change while requests are sent, and loses none. Then it shows
// that what takes longer than drainSeconds is cut.
//
// LOAD_REQUESTS is the least number of requests (40000, and 10000 in a short run), LOAD_RATE the short requests per second of
// each path (200, halved until the machine carries them), LOAD_REPORT a file that the result is written to.
func TestLoad(t *testing.T) {
	images := harness.LoadImages(t, "a", "b")
	p := harness.NewLoadStack(t, images)
	p.WithoutRetries(t)
	p.Up(t)

	t.Run("no request is lost", func(t *testing.T) { loseNothing(t, p, images) })
	t.Run("names without the cluster's DNS", func(t *testing.T) { sendWithoutDNS(t, p, images["a"]) })
	t.Run("longer than drainSeconds is cut", func(t *testing.T) { cutLongRequests(t, p, images) })
}

func loseNothing(t *testing.T, p *harness.Project, images map[string]string) {
	least := 40_000
	if testing.Short() {
		least = 10_000
	}
	if text := os.Getenv("LOAD_REQUESTS"); text != "" {
		var err error
		least, err = strconv.Atoi(text)
		require.NoError(t, err, "LOAD_REQUESTS")
	}
	rate := carried(t, p, images["a"])
	retries := outboundRetries(t, p.Client(t))
	require.Empty(t, retries, "outbound retries are to be off")

	r := p.StartLoad(t, images["a"], load.Target{Rate: rate, Long: load.LongPaths})
	rounds := 0
	for done := false; !done; done = r.Journal.Requests("") >= least {
		rounds++
		changeEverything(r, images)
	}
	const longest = 20 * time.Second
	r.Finish(longest)

	lost := r.Journal.Lost()
	table := load.Table(r.Journal.Count())
	t.Logf("%d rounds, %v requests/s by each path\n%s\n%s", rounds, rate, table, load.Describe(lost, 50))
	if file := os.Getenv("LOAD_REPORT"); file != "" {
		require.NoError(t, os.WriteFile(file, []byte(soakReport(t, rounds, rate, r.Journal)), 0o644))
	}
	require.GreaterOrEqual(t, r.Journal.Requests(""), least)
	require.Empty(t, lost, "lost requests; they are listed above")
}

// carried is the rate of LoadRate, halved until nearly all requests are answered within 35 ms while nothing changes. Where
// they queue already, changes that take the processors as well make proxies give up on each other: where 42 ms were let pass,
// handshakes took more than Istio's connect timeout of 10 s in the end.
func carried(t *testing.T, p *harness.Project, image string) float64 {
	t.Helper()
	rate := harness.LoadRate(t)
	for ; rate > 25; rate /= 2 {
		r := p.StartLoad(t, image, load.Target{Rate: rate})
		r.Step("trial")
		r.Sent(int(2 * 5 * rate))
		r.Finish(0)
		steps := r.Journal.Count()
		trial := steps[slices.IndexFunc(steps, func(c load.StepCount) bool { return c.Name == "trial" })]
		t.Logf("trial of %v requests/s by each path: p50 %v, p99 %v", rate, trial.P50, trial.P99)
		if trial.P99 <= 35*time.Millisecond {
			break
		}
	}
	return rate
}

// changeEverything is one round; a short run has no more pods or hosts, and few flips. It begins and ends with weight 0, one pod of each
// subset, and the images it found.
func changeEverything(r *harness.LoadRun, images map[string]string) {
	pods := []string{harness.AppName, harness.MeshNamespace}
	for _, weight := range []string{"10", "50", "100", "0"} {
		r.Step("weight to "+weight, r.Weigh(weight))
	}
	r.Step("roll of the canary's image at weight 0", r.Configure("canaryImage", images["b"]))
	r.Step("weight to 50", r.Weigh("50"))
	r.Step("roll of the canary's image at weight 50", r.Configure("canaryImage", images["a"]))
	r.Step("both are draining", func() { harness.Drained(r.T, r.Client, pods...) })
	flips := 4
	if !testing.Short() {
		flips = 20
		r.Step("both subsets to 3 pods at weight 50", r.Configure("stableReplicas", "3", "canaryReplicas", "3"))
		r.Step("both subsets to 1 pod at weight 50", r.Configure("stableReplicas", "1", "canaryReplicas", "1"))
		host := harness.AppName + "." + harness.AppName + ".localhost"
		r.Step("a host more", r.Configure("host", host+" www."+host))
		r.Step("that host less", r.Configure("host", ""))
	}
	r.Step("rolling restart of the ingress gateway", func() { harness.Restart(r.T, r.Client, harness.MeshNamespace, harness.IngressName) })
	r.Step("both are draining", func() { harness.Drained(r.T, r.Client, pods...) })
	r.Step("weight to 100", r.Weigh("100"))
	r.Step("roll of the stable image at weight 100", r.Configure("stableImage", images["b"]))
	r.Step(fmt.Sprintf("weight flipped %d times", flips), func() {
		for i := range flips {
			r.Weigh([]string{"0", "100"}[i%2])()
		}
	})
	r.Step("roll of the stable image at weight 100", r.Configure("stableImage", images["a"]))
	r.Step("weight to 0", r.Weigh("0"))
	r.Step("they are draining", func() { harness.Drained(r.T, r.Client, pods...) })
}

// sendWithoutDNS sends by connections that are new, and so need the app's name, while the cluster has no DNS. A new pod would
// need it to find istiod, so a second generator is started in the container of the first.
func sendWithoutDNS(t *testing.T, p *harness.Project, image string) {
	node := p.Node("agent-0")
	r := p.StartLoad(t, image, load.Target{Rate: 20, Node: node})
	var requests, failed []load.Record
	r.Step("no DNS", func() {
		scaleDeployment(t, r.Client, "kube-system", "coredns", 0)
		harness.Drained(t, r.Client, "kube-system")
		log := r.Docker(t, "exec", node, "sh", "-c", `for p in /proc/[0-9]*; do
			if [ "$(cat "$p/comm" 2>/dev/null)" = testserver ] && grep -q -e -load "$p/cmdline"; then
				timeout 5 nsenter -t "${p#/proc/}" -m -n "$(readlink "$p/exe")" -load http://`+harness.AppName+` -rate 20 || [ $? -eq 124 ]
			fi
		done`)
		require.NoError(t, load.NewReader(func(record load.Record) {
			requests = append(requests, record)
			if record.Failure != "" {
				failed = append(failed, record)
			}
		}).Read(strings.NewReader(log)), log)
		scaleDeployment(t, r.Client, "kube-system", "coredns", 1)
	})
	r.Finish(0)
	require.Greater(t, len(requests), 50)
	require.Empty(t, failed)
	require.Empty(t, r.Journal.Lost())
}

func cutLongRequests(t *testing.T, p *harness.Project, images map[string]string) {
	harness.Long(t)
	const path = "/slow?seconds=40"
	r := p.StartLoad(t, images["a"], load.Target{Rate: 20, Long: []string{path}})
	r.Step("roll of the stable image at weight 0", r.Configure("stableImage", images["b"]))
	r.Step("drain of it", func() { harness.Drained(t, r.Client, harness.AppName) })
	const longest = 40 * time.Second
	r.Finish(longest)

	lost := r.Journal.Lost()
	t.Logf("\n%s\n%s", load.Table(r.Journal.Count()), load.Describe(lost, 10))
	require.NotEmpty(t, lost)
	for _, l := range lost {
		require.Equal(t, path, l.Path, "only requests longer than drainSeconds are cut")
		require.Greater(t, time.Duration(l.Latency)*time.Microsecond, 20*time.Second, "none is cut before drainSeconds")
	}
}
