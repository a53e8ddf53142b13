package scripts

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// withNodes lets the API server and the load balancer of a cluster with two agents know them.
func withNodes(m *machine) *machine {
	m.change(func(w *world) {
		w.Nodes = []string{"k3d-canary-server-0", "k3d-canary-agent-0", "k3d-canary-agent-1"}
		w.Balanced = balanced("k3d-canary-agent-0", "k3d-canary-agent-1")
	})
	return m
}

// balanced is the load balancer's file, as k3d writes it, with these agents.
func balanced(agents ...string) string {
	hosts := "  - k3d-canary-server-0\n"
	for _, agent := range agents {
		hosts += "  - " + agent + "\n"
	}
	return "ports:\n  443.tcp:\n" + hosts + "  6443.tcp:\n  - k3d-canary-server-0\n  80.tcp:\n" + hosts + "settings:\n  workerConnections: 1030\n"
}

func TestAgents(t *testing.T) {
	t.Parallel()
	const drainFlags = " --ignore-daemonsets --delete-emptydir-data --timeout=300s"
	restart := []string{
		"--namespace istio-system rollout restart deployment/istio-ingressgateway",
		"--namespace istio-system rollout status deployment/istio-ingressgateway --timeout=300s",
	}
	for name, tc := range map[string]struct {
		agents int
		before func(*world)
		want   []string
		log    []string
	}{
		"as many as there are": {agents: 2, want: []string{"agent-0", "agent-1"}},
		"two more": {
			agents: 4, want: []string{"agent-0", "agent-1", "agent-2-0", "agent-3-0"},
			log: []string{
				"wait --for=condition=Ready node/k3d-canary-agent-2-0 --timeout=120s",
				"wait --for=condition=Ready node/k3d-canary-agent-3-0 --timeout=120s", "balanced",
			},
		},
		"one less": {
			agents: 1, want: []string{"agent-0"},
			log: append(append([]string{"drain k3d-canary-agent-1" + drainFlags, "balanced"}, restart...),
				"delete node k3d-canary-agent-1 --wait=false"),
		},
		"a killed run has drained one": {
			agents: 2, before: func(w *world) { w.Cordoned, w.Leaving = []string{"k3d-canary-agent-1"}, []string{"k3d-canary-agent-1"} },
			want: []string{"agent-0", "agent-1"}, log: []string{"uncordon k3d-canary-agent-1"},
		},
		"one was removed by hand": {
			agents: 2, before: func(w *world) { w.drop("k3d-canary-agent-0") }, want: []string{"agent-0-0", "agent-1"},
			log: []string{
				"delete node k3d-canary-agent-0 --wait=false",
				"wait --for=condition=Ready node/k3d-canary-agent-0-0 --timeout=120s", "balanced",
			},
		},
		"all were removed by hand": {
			agents: 1, before: func(w *world) { w.drop("k3d-canary-agent-0"); w.drop("k3d-canary-agent-1") }, want: []string{"agent-0-0"},
			log: []string{
				"delete node k3d-canary-agent-0 --wait=false", "delete node k3d-canary-agent-1 --wait=false",
				"wait --for=condition=Ready node/k3d-canary-agent-0-0 --timeout=120s", "balanced",
			},
		},
		"one was never started": {
			agents: 2, before: func(w *world) { w.find("k3d-canary-agent-1").State = "created" }, want: []string{"agent-0", "agent-1-0"},
			log: []string{
				"delete node k3d-canary-agent-1 --wait=false",
				"wait --for=condition=Ready node/k3d-canary-agent-1-0 --timeout=120s", "balanced",
			},
		},
		"the highest number goes first": {
			agents: 2, before: func(w *world) {
				for _, name := range []string{"k3d-canary-agent-10-0", "k3d-canary-agent-2-0"} {
					w.run(name, "running", w.find("k3d-canary-agent-0").Labels)
				}
				w.drop("k3d-canary-agent-1")
				w.Nodes = append(w.Nodes, "k3d-canary-agent-10-0", "k3d-canary-agent-2-0")
				w.Balanced = balanced("k3d-canary-agent-0", "k3d-canary-agent-10-0", "k3d-canary-agent-2-0")
			},
			want: []string{"agent-0", "agent-2-0"},
			log: append(append([]string{"delete node k3d-canary-agent-1 --wait=false", "drain k3d-canary-agent-10-0" + drainFlags, "balanced"},
				restart...), "delete node k3d-canary-agent-10-0 --wait=false"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			addCluster(m, "canary", ourID, "running")
			withNodes(m).change(func(w *world) {
				if tc.before != nil {
					tc.before(w)
				}
			})
			var names []string
			for _, agent := range tc.want {
				names = append(names, "k3d-canary-"+agent)
			}

			m.with(fmt.Sprintf("CLUSTER_AGENTS=%d", tc.agents), "CLUSTER_READY_SECONDS=")
			require.Equal(t, names, strings.Fields(m.succeeds("cluster-agents.sh").stdout))
			m.change(func(w *world) {
				require.Equal(t, tc.log, w.Log)
				require.Equal(t, balanced(names...), w.Balanced)
				for _, name := range names {
					require.NotNil(t, w.find(name))
				}
				require.Len(t, w.Containers, len(names)+2)
				require.ElementsMatch(t, append(names, "k3d-canary-server-0"), w.Nodes)
				require.Empty(t, w.Cordoned)
				require.Empty(t, w.Leaving)
				w.Log = nil
			})
			require.Equal(t, "running", m.succeeds("cluster-state.sh").stdout)

			m.succeeds("cluster-agents.sh")
			m.change(func(w *world) { require.Empty(t, w.Log, "the second time there is nothing to do") })
		})
	}
}

func TestAgentsAreKept(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		settings []string
		state    string
		says     []string
	}{
		"a pod cannot be evicted": {
			settings: []string{"CLUSTER_AGENTS=1", "FAKE_DRAIN=fail"},
			says:     []string{"the agent k3d-canary-agent-1 cannot be drained, and stays", "global timeout reached"},
		},
		"the load balancer does not take it on": {
			settings: []string{"CLUSTER_AGENTS=1", "FAKE_BALANCER=stuck"},
			says:     []string{"does not take on the agents k3d-canary-agent-0", "docker logs k3d-canary-serverlb"},
		},
		"the server would have to take pods": {
			settings: []string{"CLUSTER_AGENTS=0"},
			says:     []string{"agents is 0 and it was made with 2", "pulumi destroy, then pulumi up", "pulumi config set agents 2"},
		},
		"stopped":         {settings: []string{"CLUSTER_AGENTS=1"}, state: "exited", says: []string{"it is stopped", "make up"}},
		"another stack's": {settings: []string{"CLUSTER_AGENTS=1", "CLUSTER_ID=" + otherID}, says: []string{"it is foreign"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			addCluster(m, "canary", ourID, "running")
			withNodes(m).change(func(w *world) {
				if tc.state != "" {
					w.find("k3d-canary-server-0").State = tc.state
				}
			})
			m.with(tc.settings...).refuses("cluster-agents.sh", tc.says...)
			require.Equal(t, wholeCluster(), m.everything())
			m.change(func(w *world) {
				require.Empty(t, w.Cordoned)
				require.Empty(t, w.Leaving)
				require.Equal(t, balanced("k3d-canary-agent-0", "k3d-canary-agent-1"), w.Balanced)
			})
		})
	}
}

func TestAgentThatCouldNotBeMade(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	addCluster(m, "canary", ourID, "running")
	withNodes(m).with("CLUSTER_AGENTS=3", "FAKE_NODE=fail").refuses("cluster-agents.sh", "an agent could not be made", "no space left on device")
	require.Equal(t, "short", m.succeeds("cluster-state.sh").stdout)
	m.with("FAKE_NODE=", "CLUSTER_READY_SECONDS=").succeeds("cluster-agents.sh")
	require.Equal(t, "running", m.succeeds("cluster-state.sh").stdout)
	require.Contains(t, m.everything(), "container k3d-canary-agent-2-0")
}
