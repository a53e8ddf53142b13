package scripts

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDelete(t *testing.T) {
	t.Parallel()
	t.Run("only what is ours", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t)
		addCluster(m, "canary-2", otherID, "running")
		addCluster(m, "canary-3", "", "exited")
		m.change(func(w *world) {
			w.run("web", "running", map[string]string{"app": "k3d-like"}, 8080)
			w.Volumes = append(w.Volumes, &thing{Name: "data", Labels: map[string]string{"k3d.cluster": "canary"}})
			w.Networks = append(w.Networks, &thing{Name: "web"})
		})
		before := m.everything()
		m.succeeds("cluster-create.sh")
		m.succeeds("cluster-delete.sh")
		require.Equal(t, before, m.everything())
	})
	t.Run("a network that was there before stays", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t)
		m.change(func(w *world) { w.Networks = []*thing{{Name: "k3d-canary"}} })
		m.succeeds("cluster-create.sh")
		m.succeeds("cluster-delete.sh")
		require.Equal(t, []string{"network k3d-canary"}, m.everything())
	})
	t.Run("a guest in the network stays", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t)
		m.succeeds("cluster-create.sh")
		m.change(func(w *world) {
			w.run("my-registry", "running", nil)
			w.Networks[0].Attached = []string{"my-registry"}
		})
		m.succeeds("cluster-delete.sh")
		require.Equal(t, []string{"container my-registry"}, m.everything())
	})
	t.Run("half-made, stopped", func(t *testing.T) {
		t.Parallel()
		for _, state := range []string{"created", "exited", "dead"} {
			m := newMachine(t)
			addCluster(m, "canary", ourID, state)
			m.change(func(w *world) { w.drop("k3d-canary-agent-0") })
			m.without("k3d").succeeds("cluster-delete.sh")
			require.Empty(t, m.everything())
		}
	})
	t.Run("no docker", func(t *testing.T) {
		t.Parallel()
		require.Contains(t, newMachine(t).without("docker").succeeds("cluster-delete.sh").stderr, "nothing to remove")
	})
	t.Run("no engine", func(t *testing.T) {
		t.Parallel()
		newMachine(t).with("FAKE_ENGINE=down").refuses("cluster-delete.sh", "does not answer", "start it and run the command again")
	})
	t.Run("stuck", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t).with("FAKE_STUCK=1")
		addCluster(m, "canary", ourID, "running")
		m.refuses("cluster-delete.sh", "docker does not remove its containers")
	})
	t.Run("no id", func(t *testing.T) {
		t.Parallel()
		newMachine(t).with("CLUSTER_ID=").refuses("cluster-delete.sh", "CLUSTER_ID is ''")
	})
}
