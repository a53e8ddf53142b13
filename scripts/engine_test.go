package scripts

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	itsEngine    = "AAAA-1 laptop"
	otherEngine  = "BBBB-2 desktop"
	livesElse    = "cluster canary: it lives on the Docker engine AAAA-1 of the host laptop, and docker here talks to BBBB-2 desktop: nothing was changed or removed."
	forgetEngine = "if it is gone for ever: FORGET_ENGINE=AAAA-1 pulumi destroy"
)

func TestIdentityNamesTheEngine(t *testing.T) {
	t.Parallel()
	m := newMachine(t).with("FAKE_ENGINE_ID=" + itsEngine)
	identity := m.succeeds("cluster-identity.sh").stdout
	require.Regexp(t, "^[0-9a-f]{16} AAAA-1 laptop$", identity)
	require.Equal(t, identity, m.with("PULUMI_COMMAND_STDOUT="+identity, "FAKE_ENGINE_ID="+otherEngine).succeeds("cluster-identity.sh").stdout)
}

// A stack from before engines were recorded gets its engine recorded by an update, where its cluster is.
func TestIdentityOfAStackFromBefore(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		arrange func(*machine)
		want    string
	}{
		"its cluster is here": {func(m *machine) { addCluster(m, "canary", ourID, "exited") }, ourID + " " + itsEngine},
		"an engine without an id": {func(m *machine) {
			addCluster(m, "canary", ourID, "running")
			m.with("FAKE_ENGINE_ID=")
		}, ourID},
		"nothing is here":        {func(*machine) {}, ourID},
		"another cluster's name": {func(m *machine) { addCluster(m, "canary", otherID, "running") }, ourID},
		"no engine":              {func(m *machine) { m.with("FAKE_ENGINE=down") }, ourID},
		"no docker":              {func(m *machine) { m.without("docker") }, ourID},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t).with("FAKE_ENGINE_ID="+itsEngine, "CLUSTER_ID=", "PULUMI_COMMAND_STDOUT="+ourID)
			tc.arrange(m)
			require.Equal(t, tc.want, m.succeeds("cluster-identity.sh").stdout)
		})
	}
}

// What is not found on another engine is not gone.
func TestAnotherEngine(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		script string
		env    []string
	}{
		"create":         {"cluster-create.sh", []string{"CLUSTER_ENGINE=" + itsEngine}},
		"update":         {"cluster-create.sh", []string{"CLUSTER_ENGINE=" + itsEngine, "PULUMI_COMMAND_STDOUT=f00"}},
		"state":          {"cluster-state.sh", []string{"CLUSTER_ENGINE=" + itsEngine}},
		"destroy":        {"cluster-engine.sh", []string{"CLUSTER_ENGINE=" + itsEngine}},
		"delete":         {"cluster-delete.sh", []string{"PULUMI_COMMAND_STDOUT=0123456789abcdef " + itsEngine}},
		"without docker": {"cluster-delete.sh", []string{"PULUMI_COMMAND_STDOUT=0123456789abcdef " + itsEngine}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t).with(tc.env...).with("FAKE_ENGINE_ID=" + otherEngine)
			addCluster(m, "canary", otherID, "running")
			before := m.everything()
			says := livesElse
			if name == "without docker" {
				m.without("docker")
				says = "docker here talks to no engine that answers with an id"
			}
			m.refuses(tc.script, says, forgetEngine)
			require.Equal(t, before, m.everything())
			require.Empty(t, m.calls("k3d"))
		})
	}
}

// Where the cluster is found, its engine is, whatever that is called by now.
func TestItsEngine(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]string{
		"the same":                         itsEngine,
		"under a new name of the host":     "AAAA-1 renamed",
		"with a new id, after its restart": "CCCC-3 laptop",
		"without an id":                    "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t).with("FAKE_ENGINE_ID="+itsEngine, "CLUSTER_ENGINE="+itsEngine)
			m.succeeds("cluster-create.sh")
			m.with("FAKE_ENGINE_ID="+later, "PULUMI_COMMAND_STDOUT=f00").succeeds("cluster-create.sh")
			require.Equal(t, "running", m.succeeds("cluster-state.sh").stdout)
			m.with("PULUMI_COMMAND_STDOUT=").succeeds("cluster-engine.sh")
			m.with("PULUMI_COMMAND_STDOUT=0123456789abcdef " + itsEngine).succeeds("cluster-delete.sh")
			require.Empty(t, m.everything())
		})
	}
}

// Cloned machines have engines of the same id.
func TestCloneOfItsEngine(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"cluster-create.sh", "cluster-state.sh", "cluster-engine.sh", "cluster-delete.sh"} {
		m := newMachine(t).with("FAKE_ENGINE_ID=AAAA-1 clone", "CLUSTER_ENGINE="+itsEngine)
		m.refuses(script, "of the host laptop, and docker here talks to AAAA-1 clone", forgetEngine)
	}
}

// A destroy that cannot be finished does not begin: what is in the cluster would leave the state.
func TestEngineThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	m := newMachine(t).with("FAKE_ENGINE=down")
	m.refuses("cluster-engine.sh", "the Docker engine does not answer: start it")
	m.with("CLUSTER_ENGINE="+itsEngine).refuses("cluster-engine.sh", "docker here talks to no engine that answers with an id", forgetEngine)
	newMachine(t).without("docker").succeeds("cluster-engine.sh")
}

func TestEngineThatIsGoneForEver(t *testing.T) {
	t.Parallel()
	for name, arrange := range map[string]func(*machine){
		"another engine":      func(m *machine) { m.with("FAKE_ENGINE_ID=" + otherEngine) },
		"a clone":             func(m *machine) { m.with("FAKE_ENGINE_ID=AAAA-1 clone") },
		"no engine":           func(m *machine) { m.with("FAKE_ENGINE=down") },
		"docker is not there": func(m *machine) { m.without("docker") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t).with("CLUSTER_ENGINE=" + itsEngine)
			m.change(func(w *world) {
				w.Networks = append(w.Networks, &thing{Name: "k3d-canary", Labels: map[string]string{"app": "k3d"}})
			})
			before := m.everything()
			kubeconfig := filepath.Join(m.project, ".canary", "kubeconfig-canary.yaml")
			require.NoError(t, os.MkdirAll(filepath.Dir(kubeconfig), 0o700))
			require.NoError(t, os.WriteFile(kubeconfig, nil, 0o600))
			arrange(m)
			m.with("FORGET_ENGINE=BBBB-2").refuses("cluster-engine.sh", forgetEngine)

			m.with("FORGET_ENGINE=AAAA-1")
			require.NotZero(t, m.run("cluster-create.sh").code)
			m.succeeds("cluster-engine.sh")
			require.Equal(t, "absent", m.succeeds("cluster-state.sh").stdout)
			got := m.with("PULUMI_COMMAND_STDOUT=0123456789abcdef " + itsEngine).succeeds("cluster-delete.sh")
			require.Contains(t, got.stderr, "cluster canary: its engine AAAA-1 laptop is forgotten")
			require.NoFileExists(t, kubeconfig)
			require.Equal(t, before, m.everything())
			require.Empty(t, m.calls("k3d"))
		})
	}
	t.Run("it is here after all", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t).with("CLUSTER_ENGINE="+itsEngine, "FORGET_ENGINE=AAAA-1", "FAKE_ENGINE_ID="+otherEngine)
		addCluster(m, "canary", ourID, "running")
		m.succeeds("cluster-engine.sh")
		require.Equal(t, "running", m.succeeds("cluster-state.sh").stdout)
		m.succeeds("cluster-delete.sh")
		require.Empty(t, m.everything())
	})
	t.Run("another cluster has its name", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t).with("CLUSTER_ENGINE="+itsEngine, "FORGET_ENGINE=AAAA-1", "FAKE_ENGINE_ID="+otherEngine)
		addCluster(m, "canary", otherID, "running")
		kubeconfig := filepath.Join(m.project, ".canary", "kubeconfig-canary.yaml")
		require.NoError(t, os.MkdirAll(filepath.Dir(kubeconfig), 0o700))
		require.NoError(t, os.WriteFile(kubeconfig, []byte("theirs"), 0o600))
		m.succeeds("cluster-delete.sh")
		require.FileExists(t, kubeconfig)
	})
}
