//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/pins"
	"canary/test/e2e/harness"
)

// TestLostCluster stops and removes a cluster behind Pulumi's back, in whole and in part, and does with it what a user
// can: plain `pulumi up`, `make up`, `pulumi destroy`. Its log ends with a table of what came of each. A short run has the
// first half-made cluster and one that lost a node.
func TestLostCluster(t *testing.T) {
	p := harness.NewProject(t, "agents=0")
	t.Cleanup(func() { p.Destroy(t) })
	var table []string
	note := func(cluster, command string, o harness.Outcome, left string) {
		row := fmt.Sprintf("%-44s | %-14s | %3d | %5.1f s | %s", cluster, command, o.Code, o.Took.Seconds(), left)
		table = append(table, row)
		t.Log(row)
	}
	defer func() {
		t.Log("cluster | command | exit code | time | what there was then\n" + strings.Join(table, "\n"))
	}()

	serves := func() string {
		t.Helper()
		p.Example(t).RequireIngress(t, 0)
		return "serves 100/0"
	}
	makeUp := func(cluster string) {
		t.Helper()
		o := p.MakeUp(t)
		require.Zero(t, o.Code, o.All)
		note(cluster, "make up", o, serves())
	}
	// plainUp fails, and says what brings the cluster back.
	plainUp := func(cluster string) {
		t.Helper()
		o := p.Attempt(t, harness.UpArgs...)
		t.Logf("%s", harness.LastLines(o.All, 30))
		require.NotZero(t, o.Code, o.All)
		require.Contains(t, o.All, "make up")
		note(cluster, "pulumi up", o, "fails: "+harness.LineWith(o.All, "make up"))
	}
	destroy := func(cluster string) {
		t.Helper()
		o := p.Attempt(t, harness.DestroyArgs...)
		require.Zero(t, o.Code, o.All)
		p.VerifyNothingLeft(t)
		require.Empty(t, p.Resources(t))
		note(cluster, "pulumi destroy", o, "nothing")
	}

	killDuringCreate(t, p, true)
	makeUp("half-made: first create killed")

	if !testing.Short() {
		p.StopNodes(t)
		plainUp("stopped")
		makeUp("stopped")
	}

	p.Docker(t, "rm", "--force", "--volumes", p.Node("serverlb"))
	plainUp("half-made: load balancer removed")
	makeUp("half-made: load balancer removed")

	if testing.Short() {
		return
	}
	p.K3dDelete(t)
	plainUp("gone")
	makeUp("gone")

	// The same state serves for every destroy: what it stands for is arranged anew each time.
	state := filepath.Join(t.TempDir(), "state.json")
	require.NoError(t, os.WriteFile(state, []byte(p.Pulumi(t, "stack", "export")), 0o600))
	p.StopNodes(t)
	destroy("stopped")
	p.Pulumi(t, "stack", "import", "--file", state)
	destroy("gone")
	p.Pulumi(t, "stack", "import", "--file", state)
	halfMade(t, p)
	destroy("half-made: server was never started")
}

// halfMade leaves what a create that was killed early leaves: the network, and a server that was never started.
func halfMade(t *testing.T, p *harness.Project) {
	t.Helper()
	var id string
	for line := range strings.Lines(p.Pulumi(t, "stack", "export")) {
		if _, rest, ok := strings.Cut(line, `"CLUSTER_ID": "`); ok {
			id, _, _ = strings.Cut(rest, `"`)
			break
		}
	}
	require.NotEmpty(t, id)
	network := "k3d-" + p.Cluster
	p.Docker(t, "network", "create", "--label", "app=k3d", network)
	p.Docker(t, "volume", "create", "--label", "app=k3d", "--label", "k3d.cluster="+p.Cluster, network+"-images")
	p.Docker(t, "create", "--name", network+"-server-0", "--network", network,
		"--label", "app=k3d", "--label", "k3d.cluster="+p.Cluster, "--label", "k3d.role=server",
		"--label", "canary.cluster-id="+id, "--label", "canary.cluster-nodes=2", pins.K3sImage)
}
