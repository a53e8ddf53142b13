//go:build e2e && soak

package e2e

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/drain"
	"canary/internal/kube"
	"canary/test/e2e/harness"
	"canary/test/load"
)

// defaultOff is a default of the stack that protects requests, how to take it off a running Deployment, and a change that
// loses requests without it.
type defaultOff struct {
	name       string
	namespace  string
	deployment string
	off, on    string // strategic merge patches
	lost       func(load.Lost) bool
	whatIsLost string // the same in words
}

// TestLoadWithoutDefaults takes one default at a time off the live objects and shows that requests are lost: TestLoad can
// fail, and each of the defaults is needed.
func TestLoadWithoutDefaults(t *testing.T) {
	images := harness.LoadImages(t, "a")
	// A program that needs a while before it serves, as most do.
	images["late"] = harness.TestImage("load:late")
	harness.ImportImage(t, images["late"], harness.Archive(t, harness.BuildProgram(t, "testserver")), "/testserver", "-listen-after", "3s")
	p := harness.NewLoadStack(t, images)
	p.Set(t, "stableImage", images["late"])
	p.WithoutRetries(t)
	p.Up(t)

	plan := drain.App(20)
	container := func(field string) string {
		return `{"spec":{"template":{"spec":{"containers":[{"name":"app",` + field + `}]}}}}`
	}
	strategy := func(surge, unavailable string) string {
		return `{"spec":{"strategy":{"rollingUpdate":{"maxSurge":` + surge + `,"maxUnavailable":` + unavailable + `}}}}`
	}
	gateway := func(config string) string {
		return `{"spec":{"template":{"metadata":{"annotations":{"proxy.istio.io/config":` + config + `}}}}}`
	}
	short := func(l load.Lost) bool { return l.Kind() == load.Short }
	for _, c := range []defaultOff{
		{
			name: "no preStop", namespace: harness.AppName, deployment: harness.AppName, lost: short, whatIsLost: "short requests",
			off: container(`"lifecycle":null`), on: container(`"lifecycle":{"preStop":{"sleep":{"seconds":` + strconv.Itoa(plan.Seconds) + `}}}`),
		},
		{
			name: "no readiness probe", namespace: harness.AppName, deployment: harness.AppName, lost: short, whatIsLost: "short requests",
			off: container(`"readinessProbe":null`),
			on:  container(`"readinessProbe":{"httpGet":{"path":"/ready","port":"http"},"periodSeconds":2}`),
		},
		{
			name: "maxUnavailable 1 instead of maxSurge 1", namespace: harness.AppName, deployment: harness.AppName, lost: short, whatIsLost: "short requests",
			off: strategy("0", "1"), on: strategy("1", "0"),
		},
		{
			name: "a gateway with Istio's terminationDrainDuration of 5 s", namespace: harness.MeshNamespace, deployment: harness.IngressName,
			lost:       func(l load.Lost) bool { return l.Kind() == load.Long && l.Source == load.Ingress },
			whatIsLost: "long requests through the gateway",
			off:        gateway("null"), on: gateway(strconv.Quote(drain.Gateway(20).ProxyConfig())),
		},
	} {
		t.Run(c.name, func(t *testing.T) { loseWithout(t, p, p.Client(t), images["a"], c) })
	}
}

func loseWithout(t *testing.T, p *harness.Project, client *kube.Client, image string, c defaultOff) {
	harness.PatchDeployment(t, client, c.namespace, c.deployment, c.off)
	harness.Settled(t, client, c.namespace, c.deployment)
	harness.Drained(t, client, c.namespace)

	r := p.StartLoad(t, image, load.Target{Rate: harness.LoadRate(t), Long: load.LongPaths})
	awaitLong(r)
	r.Step("roll without the default", func() { harness.Restart(t, client, c.namespace, c.deployment) })
	r.Step("drain of it", func() { harness.Drained(t, client, c.namespace) })
	r.Finish(0)
	lost := r.Journal.Lost()
	t.Logf("%d of %d requests failed\n%s\n%s", len(lost), r.Journal.Requests(""), load.Table(r.Journal.Count()), load.Describe(lost, 5))

	harness.PatchDeployment(t, client, c.namespace, c.deployment, c.on)
	harness.Settled(t, client, c.namespace, c.deployment)
	harness.Drained(t, client, c.namespace)

	n := 0
	for _, l := range lost {
		if c.lost(l) {
			n++
		}
	}
	require.Positive(t, n, "without this default %s are lost", c.whatIsLost)
}

// awaitLong waits until long requests are under way for a while.
func awaitLong(r *harness.LoadRun) {
	r.T.Helper()
	const warm = 6 * time.Second // the shortest long request has ended, so the others are at work
	r.Sent(int(warm.Seconds() * harness.LoadRate(r.T)))
}
