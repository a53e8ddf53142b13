//go:build e2e && soak

package e2e

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/drain"
	"canary/internal/kube"
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
	images := loadImages(t, "a")
	// A program that needs a while before it serves, as most do.
	images["late"] = testImage("load:late")
	importImage(t, images["late"], archive(t, buildProgram(t, "testserver")), "/testserver", "-listen-after", "3s")
	p := newLoadStack(t, images)
	p.set(t, "stableImage", images["late"])
	p.withoutRetries(t)
	p.up(t)

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
			name: "no preStop", namespace: appName, deployment: appName, lost: short, whatIsLost: "short requests",
			off: container(`"lifecycle":null`), on: container(`"lifecycle":{"preStop":{"sleep":{"seconds":` + strconv.Itoa(plan.Seconds) + `}}}`),
		},
		{
			name: "no readiness probe", namespace: appName, deployment: appName, lost: short, whatIsLost: "short requests",
			off: container(`"readinessProbe":null`),
			on:  container(`"readinessProbe":{"httpGet":{"path":"/ready","port":"http"},"periodSeconds":2}`),
		},
		{
			name: "maxUnavailable 1 instead of maxSurge 1", namespace: appName, deployment: appName, lost: short, whatIsLost: "short requests",
			off: strategy("0", "1"), on: strategy("1", "0"),
		},
		{
			name: "a gateway with Istio's terminationDrainDuration of 5 s", namespace: meshNamespace, deployment: ingressName,
			lost:       func(l load.Lost) bool { return l.Kind() == load.Long && l.Source == load.Ingress },
			whatIsLost: "long requests through the gateway",
			off:        gateway("null"), on: gateway(strconv.Quote(drain.Gateway(20).ProxyConfig())),
		},
	} {
		t.Run(c.name, func(t *testing.T) { p.loseWithout(t, p.client(t), images["a"], c) })
	}
}

func (p *project) loseWithout(t *testing.T, client *kube.Client, image string, c defaultOff) {
	patchDeployment(t, client, c.namespace, c.deployment, c.off)
	settled(t, client, c.namespace, c.deployment)
	drained(t, client, c.namespace)

	r := p.startLoad(t, image, load.Target{Rate: loadRate(t), Long: load.LongPaths})
	r.awaitLong()
	r.step("roll without the default", func() { restart(t, client, c.namespace, c.deployment) })
	r.step("drain of it", func() { drained(t, client, c.namespace) })
	r.finish(0)
	lost := r.journal.Lost()
	t.Logf("%d of %d requests failed\n%s\n%s", len(lost), r.journal.Requests(""), load.Table(r.journal.Count()), load.Describe(lost, 5))

	patchDeployment(t, client, c.namespace, c.deployment, c.on)
	settled(t, client, c.namespace, c.deployment)
	drained(t, client, c.namespace)

	n := 0
	for _, l := range lost {
		if c.lost(l) {
			n++
		}
	}
	require.Positive(t, n, "without this default %s are lost", c.whatIsLost)
}

// awaitLong waits until long requests are under way for a while.
func (r *loadRun) awaitLong() {
	r.t.Helper()
	const warm = 6 * time.Second // the shortest long request has ended, so the others are at work
	r.sent(int(warm.Seconds() * loadRate(r.t)))
}
