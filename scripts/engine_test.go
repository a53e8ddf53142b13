package scripts

import (
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
				says = "docker here talks to no engine that has an id"
			}
			m.refuses(tc.script, says, forgetEngine)
			require.Equal(t, before, m.everything())
			require.Empty(t, m.calls("k3d"))
		})
	}
}

func TestItsEngine(t *testing.T) {
	t.Parallel()
	for name, engine := range map[string]string{"the same": itsEngine, "under a new name of the host": "AAAA-1 renamed"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t).with("FAKE_ENGINE_ID="+engine, "CLUSTER_ENGINE="+itsEngine)
			m.succeeds("cluster-create.sh")
			require.Equal(t, "running", m.succeeds("cluster-state.sh").stdout)
			m.succeeds("cluster-engine.sh")
			m.with("PULUMI_COMMAND_STDOUT=0123456789abcdef " + itsEngine).succeeds("cluster-delete.sh")
			require.Empty(t, m.everything())
		})
	}
}

func TestEngineThatIsGoneForEver(t *testing.T) {
	t.Parallel()
	m := newMachine(t).with("FAKE_ENGINE_ID="+otherEngine, "PULUMI_COMMAND_STDOUT=0123456789abcdef "+itsEngine)
	m.with("FORGET_ENGINE=BBBB-2").refuses("cluster-delete.sh", livesElse)
	m.with("FORGET_ENGINE=AAAA-1").succeeds("cluster-delete.sh")
	m.with("CLUSTER_ENGINE=" + itsEngine).without("docker").succeeds("cluster-engine.sh")
}
