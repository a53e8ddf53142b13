//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/pins"
)

// TestLostCluster stops and removes a cluster behind Pulumi's back, in whole and in part, and does with it what a user
// can: plain `pulumi up`, `make up`, `pulumi destroy`. Its log ends with a table of what came of each.
func TestLostCluster(t *testing.T) {
	p := newProject(t, "agents=0")
	t.Cleanup(func() { p.destroy(t) })
	var table []string
	note := func(cluster, command string, o outcome, left string) {
		row := fmt.Sprintf("%-44s | %-14s | %3d | %5.1f s | %s", cluster, command, o.code, o.took.Seconds(), left)
		table = append(table, row)
		t.Log(row)
	}
	defer func() {
		t.Log("cluster | command | exit code | time | what there was then\n" + strings.Join(table, "\n"))
	}()

	serves := func() string {
		t.Helper()
		p.example(t).requireIngress(t, 0)
		return "serves 100/0"
	}
	makeUp := func(cluster string) {
		t.Helper()
		o := p.makeUp(t)
		require.Zero(t, o.code, o.all)
		note(cluster, "make up", o, serves())
	}
	// plainUp fails, and says what brings the cluster back.
	plainUp := func(cluster string) {
		t.Helper()
		o := p.attempt(t, upArgs...)
		t.Logf("%s", lastLines(o.all, 30))
		require.NotZero(t, o.code, o.all)
		require.Contains(t, o.all, "make up")
		note(cluster, "pulumi up", o, "fails: "+lineWith(o.all, "make up"))
	}
	destroy := func(cluster string) {
		t.Helper()
		o := p.attempt(t, destroyArgs...)
		require.Zero(t, o.code, o.all)
		p.verifyNothingLeft(t)
		require.Empty(t, p.resources(t))
		note(cluster, "pulumi destroy", o, "nothing")
	}

	p.killDuringCreate(t, true)
	makeUp("half-made: first create killed")

	p.stopNodes(t)
	plainUp("stopped")
	makeUp("stopped")

	p.docker(t, "rm", "--force", "--volumes", "k3d-"+p.cluster+"-serverlb")
	plainUp("half-made: load balancer removed")
	makeUp("half-made: load balancer removed")

	p.k3dDelete(t)
	plainUp("gone")
	makeUp("gone")

	// The same state serves for every destroy: what it stands for is arranged anew each time.
	state := filepath.Join(t.TempDir(), "state.json")
	require.NoError(t, os.WriteFile(state, []byte(p.pulumi(t, "stack", "export")), 0o600))
	p.stopNodes(t)
	destroy("stopped")
	p.pulumi(t, "stack", "import", "--file", state)
	destroy("gone")
	p.pulumi(t, "stack", "import", "--file", state)
	p.halfMade(t)
	destroy("half-made: server was never started")
}

// makeUp is what `make up` does with the stack.
func (p *project) makeUp(t *testing.T) outcome {
	t.Helper()
	var sum outcome
	for _, command := range [][]string{
		{"scripts/select-stack.sh", p.stack},
		{"scripts/recover-cluster.sh", p.stack},
		append(append([]string{"pulumi"}, upArgs...), "--stack", p.stack),
	} {
		o := p.attemptCommand(t, command[0], command[1:]...)
		sum = outcome{code: o.code, took: sum.took + o.took, all: sum.all + o.all}
		if command[0] != "pulumi" {
			t.Log(lastLines(o.all, 12))
		}
		if o.code != 0 {
			break
		}
	}
	return sum
}

func (p *project) docker(t *testing.T, args ...string) string {
	t.Helper()
	return run(t, p.dir, p.env, "docker", args...)
}

// nodes are the cluster's containers.
func (p *project) nodes(t *testing.T) []string {
	t.Helper()
	return strings.Fields(p.docker(t, "ps", "--all", "--filter", "label=k3d.cluster="+p.cluster, "--format", "{{.Names}}"))
}

func (p *project) stopNodes(t *testing.T) {
	t.Helper()
	p.docker(t, append([]string{"stop", "--time", "1"}, p.nodes(t)...)...)
}

func (p *project) k3dDelete(t *testing.T) {
	t.Helper()
	// k3d edits the user's kubeconfig, which is not what is looked at here.
	env := append(slices.Clone(p.env), "KUBECONFIG="+filepath.Join(t.TempDir(), "kubeconfig"))
	run(t, p.dir, env, "k3d", "cluster", "delete", p.cluster)
	require.Empty(t, p.nodes(t))
}

// halfMade leaves what a create that was killed early leaves: the network, and a server that was never started.
func (p *project) halfMade(t *testing.T) {
	t.Helper()
	var id string
	for line := range strings.Lines(p.pulumi(t, "stack", "export")) {
		if _, rest, ok := strings.Cut(line, `"CLUSTER_ID": "`); ok {
			id, _, _ = strings.Cut(rest, `"`)
			break
		}
	}
	require.NotEmpty(t, id)
	network := "k3d-" + p.cluster
	p.docker(t, "network", "create", "--label", "app=k3d", network)
	p.docker(t, "volume", "create", "--label", "app=k3d", "--label", "k3d.cluster="+p.cluster, network+"-images")
	p.docker(t, "create", "--name", network+"-server-0", "--network", network,
		"--label", "app=k3d", "--label", "k3d.cluster="+p.cluster, "--label", "k3d.role=server",
		"--label", "canary.cluster-id="+id, "--label", "canary.cluster-nodes=2", pins.K3sImage)
}
