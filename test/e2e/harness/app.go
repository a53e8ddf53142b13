//go:build e2e

package harness

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/kube"
	"canary/internal/pins"
	"canary/internal/traffic"
	"canary/internal/traffic/relay"
)

// App says where an app's traffic goes.
type App struct {
	Name, Namespace, Host string
	Port                  int // of this machine, for ingress traffic
	Client                *kube.Client
}

// Example is the app of a stack with the default names.
func (p *Project) Example(t *testing.T) App {
	t.Helper()
	return App{
		Name: "app-example", Namespace: "app-example", Host: "app-example.app-example.localhost",
		Port: p.Port, Client: p.Client(t),
	}
}

// RequireSplit sends requests by both ways and fails the test unless none failed and the counts fit the split, given as
// the canary's percentage.
func (a App) RequireSplit(t *testing.T, canary int) {
	t.Helper()
	a.RequireIngress(t, canary)
	a.requireMesh(t, canary)
}

const requestsPerWay = 500

// RequireIngress is RequireSplit for ingress traffic alone.
func (a App) RequireIngress(t *testing.T, canary int) {
	t.Helper()
	a.judge(t, "ingress", canary, traffic.Options{URL: fmt.Sprintf("http://127.0.0.1:%d/", a.Port), Host: a.Host})
}

func (a App) requireMesh(t *testing.T, canary int) {
	t.Helper()
	opened, err := relay.Open(t.Context(), relay.In(a.Client), relay.Options{Namespace: a.Namespace, Service: a.Name, Image: pins.NginxImage})
	require.NoError(t, err)
	defer func() { require.NoError(t, opened.Close()) }()
	a.judge(t, "mesh", canary, traffic.Options{URL: "http://" + a.Name, DialContext: opened.DialContext})
}

func (a App) judge(t *testing.T, from string, canary int, o traffic.Options) {
	t.Helper()
	tally := new(traffic.Tally)
	o.Count, o.Concurrency, o.OnResult = requestsPerWay, 10, tally.Add
	require.NoError(t, traffic.Run(t.Context(), o))
	verdict := tally.Judge(traffic.Split{{Subset: "stable", Weight: int64(100 - canary)}, {Subset: "canary", Weight: int64(canary)}})
	t.Logf("%s %s: stable %d, canary %d, failed %d", a.Namespace, from,
		tally.Count("stable").Answers, tally.Count("canary").Answers, tally.Failed())
	require.Zero(t, tally.Failed(), "%v", tally.Failures())
	require.Equal(t, traffic.Within, verdict.Verdict, "%+v", verdict)
}
