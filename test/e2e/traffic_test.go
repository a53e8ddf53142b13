//go:build e2e

package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/kube"
	"canary/internal/pins"
	"canary/internal/traffic"
	"canary/internal/traffic/relay"
)

// app says where an app's traffic goes.
type app struct {
	name, namespace, host string
	port                  int // of this machine, for ingress traffic
	client                *kube.Client
}

// example is the app of a stack with the default names.
func (p *project) example(t *testing.T) app {
	t.Helper()
	return app{
		name: "app-example", namespace: "app-example", host: "app-example.app-example.localhost",
		port: p.port, client: p.client(t),
	}
}

// requireSplit sends requests by both ways and fails the test unless none failed and the counts fit the split, given as
// the canary's percentage.
func (a app) requireSplit(t *testing.T, canary int) {
	t.Helper()
	a.requireIngress(t, canary)
	a.requireMesh(t, canary)
}

const requestsPerWay = 500

func (a app) requireIngress(t *testing.T, canary int) {
	t.Helper()
	a.judge(t, "ingress", canary, traffic.Options{URL: fmt.Sprintf("http://127.0.0.1:%d/", a.port), Host: a.host})
}

func (a app) requireMesh(t *testing.T, canary int) {
	t.Helper()
	opened, err := relay.Open(t.Context(), relay.In(a.client), relay.Options{Namespace: a.namespace, Service: a.name, Image: pins.NginxImage})
	require.NoError(t, err)
	defer func() { require.NoError(t, opened.Close()) }()
	a.judge(t, "mesh", canary, traffic.Options{URL: "http://" + a.name, DialContext: opened.DialContext})
}

func (a app) judge(t *testing.T, from string, canary int, o traffic.Options) {
	t.Helper()
	tally := new(traffic.Tally)
	o.Count, o.Concurrency, o.OnResult = requestsPerWay, 10, tally.Add
	require.NoError(t, traffic.Run(t.Context(), o))
	verdict := tally.Judge(traffic.Split{{Subset: "stable", Weight: int64(100 - canary)}, {Subset: "canary", Weight: int64(canary)}})
	t.Logf("%s %s: stable %d, canary %d, failed %d", a.namespace, from,
		tally.Count("stable").Answers, tally.Count("canary").Answers, tally.Failed())
	require.Zero(t, tally.Failed(), "%v", tally.Failures())
	require.Equal(t, traffic.Within, verdict.Verdict, "%+v", verdict)
}
