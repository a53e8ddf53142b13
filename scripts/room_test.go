package scripts

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const roomOfDefault = "CLUSTER_ROOM=server=512 agents=3 agent=256 pods=387 images=458"

func TestMemory(t *testing.T) {
	t.Parallel()
	const found, needed = "error: cluster canary: the Docker engine has ", " MB of memory in all, and the cluster needs 1667 MB at the very least: " +
		"512 for its server, 256 for each of its 3 agents, and 387 that the pods of Istio, the app and Kubernetes ask for. Nothing was made. " +
		"Give the engine more (Docker Desktop: Settings, Resources, Memory limit); "
	for name, tc := range map[string]struct {
		memory, want string // "" is that the cluster is made
	}{
		"enough":               {"1667000000", ""},
		"a little too little":  {"1666999999", found + "1666" + needed + "or make do with fewer agents: pulumi config set agents 2\n"},
		"for no agent":         {"1024000000", found + "1024" + needed + "or make do with fewer agents: pulumi config set agents 0\n"},
		"not even for that":    {"512000000", found + "512" + needed + "fewer agents are not enough\n"},
		"the engine says none": {"0", ""},
		"nor anything":         {"<no value>", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t).with(roomOfDefault, "FAKE_MEMORY="+tc.memory)
			if tc.want == "" {
				m.succeeds("cluster-create.sh")
				return
			}
			require.Equal(t, tc.want, m.refuses("cluster-create.sh").stderr)
			require.Empty(t, m.calls("k3d"))
			require.Empty(t, m.everything())
		})
	}
}

// A cluster that is there is not asked about its room, whatever its engine has by now.
func TestRoomIsAskedOnce(t *testing.T) {
	t.Parallel()
	m := newMachine(t).with(roomOfDefault)
	m.succeeds("cluster-create.sh")
	m.with("FAKE_MEMORY=1000000")
	m.succeeds("cluster-create.sh")
	m.with("PULUMI_COMMAND_STDOUT=before").succeeds("cluster-create.sh")
	m.with("CLUSTER_ROOM=").succeeds("cluster-create.sh") // made by a program that did not ask
}

func TestDisk(t *testing.T) {
	t.Parallel()
	here, err := os.Hostname()
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		host, engine string
		folder       bool // whether the folder of the engine's data is on this machine
		df           string
		refused      bool
	}{
		"enough":            {"unix:///run/docker.sock", here, true, "overlay 100000000 94552734 5447266 6% /", false},
		"too little":        {"unix:///run/docker.sock", here, true, "overlay 100000000 94552735 5447265 6% /", true},
		"another machine":   {"unix:///run/docker.sock", "docker-desktop", true, "overlay 100000000 97000000 1 6% /", false},
		"by the network":    {"ssh://build", here, true, "overlay 100000000 97000000 1 6% /", false},
		"no such folder":    {"unix:///run/docker.sock", here, false, "overlay 100000000 97000000 1 6% /", false},
		"no context":        {"", here, true, "overlay 100000000 97000000 1 6% /", false},
		"no numbers":        {"unix:///run/docker.sock", here, true, "my share 100000000 97000000 1 6% /", false},
		"nothing but a try": {"unix:///run/docker.sock", here, true, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			folder := filepath.Join(m.root, "data of docker")
			if tc.folder {
				require.NoError(t, os.Mkdir(folder, 0o700))
			}
			m.without("df")
			df := "#!/bin/sh\n[ \"$*\" = \"-P -k -- " + folder + "\" ] || exit 1\nprintf '%s\\n' Filesystem '" + tc.df + "'\n"
			require.NoError(t, os.WriteFile(filepath.Join(m.bin, "df"), []byte(df), 0o700))
			m.with(roomOfDefault, "FAKE_HOST="+tc.host, "FAKE_DATA="+tc.engine+" "+folder)
			if !tc.refused {
				m.succeeds("cluster-create.sh")
				return
			}
			require.Equal(t, "error: cluster canary: the Docker engine has its data in "+folder+", where 5577 of 102400 MB are free, and the cluster "+
				"needs 5578 MB at the very least: 458 for images, and 5120 (5 %) that have to stay free, or K3s lets no pod run. Nothing was made. "+
				"Make room there: docker system df tells what Docker keeps, and docker system prune removes what is not in use, which stopped "+
				"containers and stopped k3d clusters are, too\n", m.refuses("cluster-create.sh").stderr)
			require.Empty(t, m.calls("k3d"))
			require.Empty(t, m.everything())
		})
	}
}

// The real df, on the disk of the tests, is understood.
func TestDiskOfThisMachine(t *testing.T) {
	t.Parallel()
	here, err := os.Hostname()
	require.NoError(t, err)
	m := newMachine(t)
	m.with("CLUSTER_ROOM=server=0 agents=0 agent=0 pods=0 images=99999999999", "FAKE_HOST=unix:///run/docker.sock", "FAKE_DATA="+here+" "+m.root)
	m.refuses("cluster-create.sh", "the Docker engine has its data in "+m.root+", where ", "Nothing was made")
}
