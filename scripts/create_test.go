package scripts

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCreateIsIdempotent(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	first := m.succeeds("cluster-create.sh")
	m.calls("k3d")
	require.Equal(t, first.stdout, m.succeeds("cluster-create.sh").stdout)
	require.Equal(t, first.stdout, m.with("PULUMI_COMMAND_STDOUT="+first.stdout).succeeds("cluster-create.sh").stdout)
	require.Empty(t, m.calls("k3d"))
	require.Equal(t, wholeCluster(), m.everything())
}

func TestCreateStartsAStoppedCluster(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", "the server's ID"} {
		m := newMachine(t).with("PULUMI_COMMAND_STDOUT=" + before)
		addCluster(m, "canary", ourID, "exited")
		m.succeeds("cluster-create.sh")
		require.Equal(t, "running", m.succeeds("cluster-state.sh").stdout)
	}
	m := newMachine(t).with("FAKE_START=fail")
	addCluster(m, "canary", ourID, "exited")
	m.refuses("cluster-create.sh", "could not be started", "k3d says: failed to start the server", "make up")
	require.Equal(t, wholeCluster(), m.everything(), "what was there stays")
}

func TestCreateRemakesWhatWasCutShort(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*machine){
		"nodes never started": func(m *machine) {
			addCluster(m, "canary", ourID, "created")
		},
		"nodes are missing": func(m *machine) {
			addCluster(m, "canary", ourID, "running")
			m.change(func(w *world) { w.drop("k3d-canary-serverlb") })
		},
		"only network and volume": func(m *machine) {
			addCluster(m, "canary", ourID, "created")
			m.change(func(w *world) { w.Containers = nil })
		},
		"with k3d's tools container": func(m *machine) {
			addCluster(m, "canary", ourID, "created")
			m.change(func(w *world) {
				w.run("k3d-canary-tools", "running", map[string]string{"app": "k3d", "k3d.cluster": "canary", "k3d.role": "noRole"})
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			prepare(m)
			m.succeeds("cluster-create.sh")
			require.Equal(t, wholeCluster(), m.everything())
			require.Equal(t, "running", m.succeeds("cluster-state.sh").stdout)
		})
	}
}

func TestUpdateNeverMakesACluster(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prepare func(*machine)
		want    string
	}{
		"gone": {func(*machine) {}, "it is gone"},
		"nodes are missing": {func(m *machine) {
			addCluster(m, "canary", ourID, "running")
			m.change(func(w *world) { w.drop("k3d-canary-serverlb") })
		}, "nodes of it are missing"},
		"no API server": {func(m *machine) {
			addCluster(m, "canary", ourID, "running")
			m.with("FAKE_API=down")
		}, "its API server does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t).with("PULUMI_COMMAND_STDOUT=before")
			tc.prepare(m)
			before := m.everything()
			m.refuses("cluster-create.sh", tc.want, "is lost", "make up", "pulumi destroy, then pulumi up")
			require.Equal(t, before, m.everything())
			require.Empty(t, m.calls("k3d"))
		})
	}
}

func TestCreateCleansUpAfterItsOwnFailure(t *testing.T) {
	t.Parallel()
	for _, nodes := range []string{"0", "1", "4"} {
		m := newMachine(t).with("FAKE_CREATE=fail", "FAKE_NODES="+nodes)
		m.refuses("cluster-create.sh", "could not be created", "k3d says: docker failed to pull image 'rancher/k3s': no such host")
		require.Empty(t, m.everything(), "after %s nodes", nodes)
	}
	m := newMachine(t).with("FAKE_CREATE=fail", "FAKE_NODES=1", "FAKE_STUCK=1")
	m.refuses("cluster-create.sh", "not all of it could be removed", "pulumi destroy")
}

func TestForeignClusterIsRefusedAndKept(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ id, want string }{
		"another stack's": {otherID, "(stack other made it)"},
		"nobody's":        {"", "is not this stack's: choose"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			addCluster(m, "canary", tc.id, "running")
			before := m.everything()
			m.refuses("cluster-create.sh", "a k3d cluster called canary exists already", tc.want, "pulumi config set clusterName canary-2",
				"k3d cluster delete canary")
			require.Equal(t, before, m.everything())

			require.NoError(t, os.WriteFile(filepath.Join(m.project, ".canary", "kubeconfig-canary.yaml"), []byte("theirs"), 0o600))
			require.Contains(t, m.succeeds("cluster-delete.sh").stderr, "left alone")
			require.Equal(t, before, m.everything())
			require.FileExists(t, filepath.Join(m.project, ".canary", "kubeconfig-canary.yaml"))
		})
	}
}

func TestChangedSettingsAreRefused(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.succeeds("cluster-create.sh")
	m.calls("k3d")
	require.NoError(t, os.WriteFile(filepath.Join(m.project, "httpPort=9"), nil, 0o600))
	m.with("CLUSTER_SETTINGS=httpPort=* httpsPort=0 k3sImage=rancher/k3s:v1 metricsServer=true registryPort=0", "PULUMI_COMMAND_STDOUT=before")
	got := m.refuses("cluster-create.sh",
		"a living cluster is left as it is (k3d adds a port only by replacing the load balancer, which carries the API server too): httpPort is 80",
		"httpPort is 80 and * is asked for", "metricsServer is false and true is asked for", "pulumi destroy, then pulumi up",
		"pulumi config set httpPort 80; pulumi config set metricsServer false")
	require.NotContains(t, got.stderr, "k3sImage")
	m.with("CLUSTER_SETTINGS=httpPort=80 httpsPort=0 k3sImage=rancher/k3s:v1 metricsServer=true registryPort=0")
	require.NotContains(t, m.refuses("cluster-create.sh", "a living cluster is left as it is: metricsServer is false").stderr, "load balancer")
	require.Equal(t, wholeCluster(), m.everything())
	require.Empty(t, m.calls("k3d"))
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	const registry = "container k3d-canary-registry"
	withRegistry := func(m *machine) *machine {
		return m.with("CLUSTER_CONFIG=registries: {create: {name: k3d-canary-registry, hostPort: \"5000\"}}\n" + configOf(2))
	}
	m := withRegistry(newMachine(t))
	m.succeeds("cluster-create.sh")
	require.ElementsMatch(t, append(wholeCluster(), registry), m.everything())
	require.Equal(t, "running", m.succeeds("cluster-state.sh").stdout)

	other := m.with("CLUSTER_ID="+otherID, "CLUSTER_NAME=other", "CLUSTER_PORTS=registryPort=5000")
	other.refuses("cluster-create.sh", "port 5000 of this machine is taken by the container k3d-canary-registry",
		"pulumi config set registryPort 5001")
	other.with("CLUSTER_NAME=canary").succeeds("cluster-delete.sh")
	require.Contains(t, m.everything(), registry, "another stack's")

	m.with("CLUSTER_ID=" + ourID)
	m.change(func(w *world) { w.find("k3d-canary-registry").State = "exited" })
	require.Equal(t, "stopped", m.succeeds("cluster-state.sh").stdout)
	m.succeeds("cluster-delete.sh")
	require.Empty(t, m.everything())

	failing := withRegistry(newMachine(t)).with("FAKE_CREATE=fail", "FAKE_NODES=0")
	failing.refuses("cluster-create.sh", "could not be created")
	require.Empty(t, failing.everything())
}

// A cluster that was made before there was registryPort stays as it is, unless somebody asks for a registry in it.
func TestDefaultRegistryIsNotAskedOfAnOldCluster(t *testing.T) {
	t.Parallel()
	settings := func(port string) string {
		return "CLUSTER_SETTINGS=httpPort=80 httpsPort=0 k3sImage=rancher/k3s:v1 metricsServer=false registryPort=" + port
	}
	m := newMachine(t).with("PULUMI_COMMAND_STDOUT=before")
	addCluster(m, "canary", ourID, "running")
	m.with(settings("5000"), "CLUSTER_REGISTRY_SET=false").succeeds("cluster-create.sh")
	m.with(settings("0"), "CLUSTER_REGISTRY_SET=true").succeeds("cluster-create.sh")
	m.with(settings("5000")).refuses("cluster-create.sh", "registryPort is 0 and 5000 is asked for", "pulumi config set registryPort 0")

	m.change(func(w *world) {
		w.find("k3d-canary-server-0").Labels["canary.cluster-settings"] =
			"httpPort=80 httpsPort=0 k3sImage=rancher/k3s:v1 metricsServer=false registryPort=5001"
	})
	m.with("CLUSTER_REGISTRY_SET=false").refuses("cluster-create.sh", "registryPort is 5001 and 5000 is asked for",
		"pulumi config set registryPort 5001")
}

func TestAnotherNameIsRefusedAndDeleteFindsTheOldOne(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.succeeds("cluster-create.sh")
	m.with("CLUSTER_NAME=renamed").refuses("cluster-create.sh",
		"clusterName is renamed and this stack's cluster is called canary", "pulumi config set clusterName canary")
	m.succeeds("cluster-delete.sh")
	require.Empty(t, m.everything())
}

func TestPortClash(t *testing.T) {
	t.Parallel()
	t.Run("a container", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t).with("CLUSTER_PORTS=httpPort=80")
		m.change(func(w *world) { w.run("somebody's-web", "running", nil, 80) })
		m.refuses("cluster-create.sh", "port 80 of this machine is taken by the container somebody's-web", "pulumi config set httpPort")
		require.Empty(t, m.calls("k3d"))
	})
	t.Run("another program", func(t *testing.T) {
		t.Parallel()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer listener.Close()
		_, port, err := net.SplitHostPort(listener.Addr().String())
		require.NoError(t, err)
		m := newMachine(t).with("CLUSTER_PORTS=httpPort=" + port)
		holder := "another program"
		if runtime.GOOS == "linux" { // it is this process, which may see itself
			holder = fmt.Sprintf("the program scripts.test (process %d)", os.Getpid())
		}
		m.refuses("cluster-create.sh", "port "+port+" of this machine is taken by "+holder+": stop it", "pulumi config set httpPort")
		require.Empty(t, m.calls("k3d"))
	})
	t.Run("the cluster's own", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t).with("CLUSTER_PORTS=httpPort=80")
		addCluster(m, "canary", ourID, "running")
		m.change(func(w *world) { w.find("k3d-canary-serverlb").Ports = []int{80} })
		m.succeeds("cluster-create.sh")
	})
}
