package scripts

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// wholeCluster is what a cluster of two agents consists of.
func wholeCluster() []string {
	return []string{
		"container k3d-canary-agent-0", "container k3d-canary-agent-1",
		"container k3d-canary-server-0", "container k3d-canary-serverlb",
		"network k3d-canary", "volume k3d-canary-images",
	}
}

// addCluster puts a cluster with two agents into the engine: all nodes are in that state and have that id ("" for none).
func addCluster(m *machine, name, id, state string) {
	m.change(func(w *world) {
		for _, node := range nodesOf(name, 2) {
			node.Labels["canary.cluster-nodes"] = "4"
			node.Labels["canary.cluster-settings"] = "agents=2 httpPort=80 k3sImage=rancher/k3s:v1"
			if id != "" {
				node.Labels["canary.cluster-id"] = id
				node.Labels["canary.cluster-stack"] = "other"
			}
			w.run(node.Name, state, node.Labels)
		}
		w.Networks = append(w.Networks, &thing{Name: "k3d-" + name, Labels: map[string]string{"app": "k3d"}})
		w.Volumes = append(w.Volumes, &thing{
			Name: "k3d-" + name + "-images", Labels: map[string]string{"app": "k3d", "k3d.cluster": name},
		})
	})
}

const ourID, otherID = "0123456789abcdef", "fedcba9876543210"

func TestLifeOfACluster(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"sh", "bash"} {
		if _, err := exec.LookPath(shell); err != nil {
			continue
		}
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.shell = shell

			id := m.succeeds("cluster-identity.sh").stdout
			require.Regexp(t, "^[0-9a-f]{16}$", id)
			m.with("CLUSTER_ID=" + id)
			require.Equal(t, "absent", m.succeeds("cluster-state.sh").stdout)

			created := m.succeeds("cluster-create.sh")
			require.Regexp(t, "^[0-9a-f]{64}$", created.stdout, "stdout is the server's container ID only")
			require.Contains(t, created.stderr, "k3d: Creating node 'k3d-canary-server-0'")
			require.Equal(t, wholeCluster(), m.everything())
			require.Equal(t, "running", m.succeeds("cluster-state.sh").stdout)

			kubeconfig := m.with("CLUSTER_SERVER=" + created.stdout).succeeds("cluster-kubeconfig.sh")
			require.Contains(t, kubeconfig.stdout, token)

			m.with("PULUMI_COMMAND_STDOUT="+id, "CLUSTER_ID=").succeeds("cluster-delete.sh")
			require.Empty(t, m.everything())
			require.NoFileExists(t, filepath.Join(m.project, ".canary", "kubeconfig-canary.yaml"))
			require.Contains(t, m.succeeds("cluster-delete.sh").stderr, "already gone")
		})
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	first := m.succeeds("cluster-identity.sh").stdout
	require.NotEqual(t, first, m.succeeds("cluster-identity.sh").stdout, "every cluster has its own")
	require.Equal(t, first, m.with("PULUMI_COMMAND_STDOUT="+first).succeeds("cluster-identity.sh").stdout)
	require.Equal(t, first, m.without("docker").succeeds("cluster-identity.sh").stdout, "an update needs nothing")
}

func TestMissingTools(t *testing.T) {
	t.Parallel()
	for _, script := range []string{
		"cluster-identity.sh", "cluster-create.sh", "cluster-kubeconfig.sh", "cluster-import-images.sh",
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			newMachine(t).without("docker").refuses(script, "docker is not installed", "clusterProvider existing")
			newMachine(t).without("k3d").refuses(script, "k3d is not installed", "make up")
			m := newMachine(t).with("FAKE_ENGINE=down")
			m.refuses(script, "the Docker engine does not answer", "cannot connect to the Docker daemon")
			require.Empty(t, m.calls("k3d"), "nothing is begun")
		})
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		id, state, askedID string
		change             func(*world)
		want               string
	}{
		"running":                {id: ourID, state: "running", askedID: ourID, want: "running"},
		"stopped":                {id: ourID, state: "exited", askedID: ourID, want: "stopped"},
		"one node stopped":       {ourID, "running", ourID, func(w *world) { w.Containers[1].State = "exited" }, "stopped"},
		"never started":          {id: ourID, state: "created", askedID: ourID, want: "partial"},
		"balancer never started": {ourID, "running", ourID, func(w *world) { w.Containers[3].State = "created" }, "partial"},
		"agent never started":    {ourID, "running", ourID, func(w *world) { w.Containers[1].State = "created" }, "short"},
		"an agent is missing":    {ourID, "running", ourID, func(w *world) { w.drop("k3d-canary-agent-1") }, "short"},
		"missing and stopped": {ourID, "running", ourID, func(w *world) {
			w.drop("k3d-canary-agent-1")
			w.Containers[1].State = "exited"
		}, "stopped"},
		"the server is missing":     {ourID, "running", ourID, func(w *world) { w.drop("k3d-canary-server-0") }, "partial"},
		"load balancer is missing":  {ourID, "running", ourID, func(w *world) { w.drop("k3d-canary-serverlb") }, "partial"},
		"another stack's":           {id: otherID, state: "running", askedID: ourID, want: "foreign"},
		"nobody's":                  {state: "running", askedID: ourID, want: "foreign"},
		"nobody's, no id asked for": {state: "running", want: "foreign"},
		"any stack's":               {id: otherID, state: "running", want: "running"},
		"only another name's": {ourID, "running", ourID, func(w *world) {
			for _, c := range w.Containers {
				c.Labels["k3d.cluster"] = "canary-2"
			}
		}, "absent"},
		"a node was added by hand": {ourID, "running", ourID, func(w *world) {
			w.run("extra", "running", map[string]string{"app": "k3d", "k3d.cluster": "canary", "k3d.role": "agent"})
		}, "running"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t).with("CLUSTER_ID=" + tc.askedID)
			addCluster(m, "canary", tc.id, tc.state)
			if tc.change != nil {
				m.change(tc.change)
			}
			require.Equal(t, tc.want, m.succeeds("cluster-state.sh").stdout)
		})
	}
}

func (w *world) drop(name string) {
	if err := w.removeContainers([]string{name}); err != nil {
		panic(err)
	}
}
