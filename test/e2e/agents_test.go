//go:build e2e

package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canary/test/e2e/harness"
)

// TestAgents changes the number of agents of a cluster that serves, and removes one by hand.
func TestAgents(t *testing.T) {
	harness.Long(t)
	p := harness.NewProject(t, "agents=3", "canaryWeight=50", "stableReplicas=2", "canaryReplicas=2")
	t.Cleanup(func() { p.Destroy(t) })
	p.Up(t)
	app := p.Example(t)
	server := p.Docker(t, "container", "inspect", "--format", "{{.ID}}", p.Node("server-0"))
	harness.Drained(t, app.Client, app.Namespace)

	finish := app.Load(t, 50)
	for _, step := range []struct {
		agents string
		nodes  []string
	}{
		{"4", []string{"agent-0", "agent-1", "agent-2", "agent-3-0", "server-0"}},
		{"2", []string{"agent-0", "agent-1", "server-0"}},
	} {
		p.Set(t, "agents", step.agents)
		p.Up(t)
		require.Equal(t, 1, p.Changes(t)["update"], "the agents alone are changed")
		requireNodes(t, p, step.nodes...)
		p.VerifyNoChanges(t)
	}
	harness.RequireNoneFailed(t, finish())
	app.RequireSplit(t, 50)

	p.Docker(t, "rm", "--force", "--volumes", p.Node("agent-1"))
	o := p.MakeUp(t)
	require.Zero(t, o.Code, o.All)
	t.Logf("one agent removed by hand: make up takes %.1f s", o.Took.Seconds())
	require.Contains(t, o.All, "lacks agents")
	requireNodes(t, p, "agent-0", "agent-1-0", "server-0")
	require.Equal(t, server, p.Docker(t, "container", "inspect", "--format", "{{.ID}}", p.Node("server-0")),
		"it is the same cluster")
	app.RequireSplit(t, 50)

	p.Set(t, "agents", "0")
	refused := p.Attempt(t, harness.UpArgs...)
	require.NotZero(t, refused.Code)
	t.Log(harness.LineWith(refused.All, "agents is 0"))
	require.Contains(t, refused.All, "pulumi config set agents 3")
}

// requireNodes fails the test unless the cluster has these nodes, by the API server and as containers behind the load balancer.
func requireNodes(t *testing.T, p *harness.Project, want ...string) {
	t.Helper()
	nodes, err := harness.Objects(p.Client(t), harness.Nodes, "").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	var names []string
	for _, node := range nodes.Items {
		names = append(names, node.GetName())
	}
	var full []string
	for _, name := range want {
		full = append(full, p.Node(name))
	}
	require.ElementsMatch(t, full, names)
	containers := p.Docker(t, "ps", "--filter", "label=k3d.cluster="+p.Cluster, "--format", "{{.Names}}")
	for _, name := range full {
		require.Contains(t, containers, name)
	}
}
