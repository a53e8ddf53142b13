package scripts

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const hub = "https://registry-1.docker.io"

// The cache is the machine's: no delete of a cluster removes it.
var cacheAlone = []string{"container canary-image-cache", "volume canary-image-cache"}

func withCache(m *machine) *machine {
	return m.with("IMAGE_CACHE_FROM="+hub, "IMAGE_CACHE_IMAGE=registry:3")
}

// networks are those of the cache.
func (m *machine) networks() (networks []string) {
	m.change(func(w *world) { networks = w.networksOf(w.find("canary-image-cache")) })
	return networks
}

func TestImageCacheIsSharedAndKept(t *testing.T) {
	t.Parallel()
	m := withCache(newMachine(t))
	require.NotContains(t, m.succeeds("cluster-create.sh").stderr, "image cache")
	require.ElementsMatch(t, append(wholeCluster(), cacheAlone...), m.everything())
	require.Equal(t, []string{"bridge", "k3d-canary"}, m.networks())
	m.change(func(w *world) {
		require.Equal(t, map[string]string{"app": "k3d", "k3d.role": "registry", "canary.image-cache": hub}, w.find("canary-image-cache").Labels)
	})
	require.Equal(t, "running", m.succeeds("cluster-state.sh").stdout)

	m.calls("docker")
	m.with("CLUSTER_NAME=other", "CLUSTER_ID="+otherID, "CLUSTER_PORTS=httpPort="+freePort(t)).succeeds("cluster-create.sh")
	require.Equal(t, []string{"bridge", "k3d-canary", "k3d-other"}, m.networks())
	require.NotContains(t, m.calls("docker"), `"run"`)
	m.succeeds("cluster-delete.sh")
	require.Equal(t, []string{"bridge", "k3d-canary"}, m.networks())

	require.Contains(t, m.succeeds("cluster-remove-image-cache.sh").stderr, "it stays, for another cluster uses it")
	m.with("CLUSTER_NAME=canary", "CLUSTER_ID="+ourID).succeeds("cluster-delete.sh")
	require.Equal(t, cacheAlone, m.everything())
	for range 2 {
		m.succeeds("cluster-remove-image-cache.sh")
		require.Empty(t, m.everything())
	}
}

func TestImageCacheIsFoundAgain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prepare func(*machine, *world)
		told    string
		from    string
	}{
		"as it was":        {func(*machine, *world) {}, "", hub},
		"stopped":          {func(_ *machine, w *world) { w.find("canary-image-cache").State = "exited" }, "", hub},
		"removed by hand":  {func(_ *machine, w *world) { w.drop("canary-image-cache") }, "", hub},
		"of another place": {func(m *machine, _ *world) { m.with("IMAGE_CACHE_FROM=http://mirror:5000") }, "", "http://mirror:5000"},
		"of another place, in use": {func(m *machine, w *world) {
			m.with("IMAGE_CACHE_FROM=http://mirror:5000")
			w.Networks = append(w.Networks, &thing{Name: "k3d-other", Attached: []string{"canary-image-cache"}})
		}, "image cache: it still pulls from " + hub + ", for another cluster uses it", hub},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := withCache(newMachine(t))
			m.succeeds("cluster-create.sh")
			m.succeeds("cluster-delete.sh")
			m.change(func(w *world) { tc.prepare(m, w) })
			got := m.succeeds("cluster-create.sh")
			if tc.told == "" {
				require.NotContains(t, got.stderr, "image cache")
			}
			require.Contains(t, got.stderr, tc.told)
			require.Contains(t, m.networks(), "k3d-canary")
			m.change(func(w *world) {
				cache := w.find("canary-image-cache")
				require.Equal(t, "running", cache.State)
				require.Equal(t, tc.from, cache.Labels["canary.image-cache"])
			})
		})
	}
}

// No trouble with the cache keeps a cluster from being made.
func TestClusterWithoutImageCache(t *testing.T) {
	t.Parallel()
	const themselves = "image cache: the nodes pull from " + hub + " themselves: "
	for name, tc := range map[string]struct {
		prepare func(*machine)
		told    string
		left    []string
	}{
		"it is off": {func(m *machine) { m.with("IMAGE_CACHE_FROM=") }, "", nil},
		"the name is somebody else's": {func(m *machine) {
			m.change(func(w *world) { w.run("canary-image-cache", "running", nil) })
		}, themselves + "the container canary-image-cache is somebody else's: docker rename canary-image-cache another-name", cacheAlone[:1]},
		"it cannot be run": {func(m *machine) { m.with("FAKE_RUN=fail") }, themselves + "docker says:", nil},
		"it ends": {func(m *machine) { m.with("FAKE_RUN=end") }, themselves + "the container canary-image-cache does not run: " +
			"docker logs canary-image-cache", cacheAlone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := withCache(newMachine(t))
			tc.prepare(m)
			got := m.succeeds("cluster-create.sh")
			if tc.told == "" {
				require.NotContains(t, got.stderr, "image cache")
			}
			require.Contains(t, got.stderr, tc.told)
			require.ElementsMatch(t, append(wholeCluster(), tc.left...), m.everything())
			require.Equal(t, "running", m.succeeds("cluster-state.sh").stdout)
		})
	}
}

func TestLivingClusterKeepsItsImageCache(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ made, now, told string }{
		"the same":    {hub, hub, ""},
		"still off":   {"", "", ""},
		"another":     {hub, "http://mirror:5000", "imageCache is http://mirror:5000 now, and a living cluster keeps the one that it was made with, " + hub},
		"off":         {hub, "", "imageCache is off now"},
		"it was off":  {"", hub, "to have the other: pulumi destroy, then pulumi up; to keep this one: pulumi config set imageCache off"},
		"from before": {"unknown", hub, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := withCache(newMachine(t))
			m.with("IMAGE_CACHE_FROM=" + tc.made)
			server := m.succeeds("cluster-create.sh").stdout
			if tc.made == "unknown" {
				m.change(func(w *world) { delete(w.find("k3d-canary-server-0").Labels, "canary.cluster-image-cache") })
			}
			m.calls("k3d")
			got := m.with("IMAGE_CACHE_FROM="+tc.now, "PULUMI_COMMAND_STDOUT="+server).succeeds("cluster-create.sh")
			require.Equal(t, server, got.stdout)
			require.Empty(t, m.calls("k3d"))
			if tc.told == "" {
				require.NotContains(t, got.stderr, "imageCache")
			}
			require.Contains(t, got.stderr, tc.told)
		})
	}
}

func TestImageCacheStaysAfterAFailedCreate(t *testing.T) {
	t.Parallel()
	m := withCache(newMachine(t)).with("FAKE_CREATE=fail")
	m.refuses("cluster-create.sh", "could not be created")
	require.Equal(t, cacheAlone, m.everything())
}

func TestRemoveImageCacheLeavesWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.change(func(w *world) {
		w.run("canary-image-cache", "running", nil)
		w.run("canary-image-cache-2", "running", map[string]string{"canary.image-cache": hub})
	})
	before := m.everything()
	m.succeeds("cluster-remove-image-cache.sh")
	m.with("FAKE_ENGINE=down").succeeds("cluster-remove-image-cache.sh")
	m.without("docker").succeeds("cluster-remove-image-cache.sh")
	require.Equal(t, before, m.everything())
}

func TestDownRemovesTheImageCacheWithTheState(t *testing.T) {
	t.Parallel()
	const destroy = "pulumi destroy --yes --skip-preview --non-interactive --stack dev"
	for state, want := range map[string][]string{"": {destroy}, "remove": {destroy, "cache"}} {
		d := newDown(t)
		d.write("scripts/select-stack.sh", "#!/bin/sh\n")
		d.write("scripts/cluster-remove-image-cache.sh", "#!/bin/sh\necho cache >>\"$DESK/calls\"\n")
		_, calls := d.run("down.sh", "STATE="+state)
		require.Equal(t, want, calls)
	}
}
