//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/pins"
	"canary/test/e2e/harness"
)

const imageCache = "canary-image-cache"

// TestImageCache counts what leaves the machine when all four nodes of a cluster pull five images of docker.io, and those of
// the next cluster pull them again: through the cache, and five others of the same sizes when somebody has removed it.
func TestImageCache(t *testing.T) {
	harness.Long(t)
	hub := harness.StartHub(t)
	var images [2][]string
	var size int64
	for i, megabytes := range []int{5, 10, 15, 25, 35} {
		for j, of := range []string{"cached", "plain"} {
			image, more := hub.Add(t, fmt.Sprintf("%s/app-%d", of, i), megabytes*1_000_000)
			images[j] = append(images[j], image)
			size += more / int64(len(images))
		}
	}
	const nodes = 4
	p := harness.NewProject(t, fmt.Sprintf("agents=%d", nodes-1), fmt.Sprintf("registryPort=%d", harness.FreePort(t)), "imageCache="+hub.URL)
	removeImageCacheAfter(t, p)
	measure := func(what string, images []string) harness.Sent {
		t.Helper()
		hub.TakeCount()
		took := pull(t, p, "all", nil, images...)
		sent := hub.TakeCount()
		t.Logf("%s: %d pulls, %.1f MB, %.1f s", what, sent.Manifests, float64(sent.Bytes)/1e6, took.Seconds())
		return sent
	}

	t.Logf("five images, %.1f MB in all, on %d nodes", float64(size)/1e6, nodes)
	p.Up(t)
	first := measure("first cluster, with the cache", images[0])
	require.GreaterOrEqual(t, first.Bytes, size)
	p.Docker(t, "rm", "--force", imageCache)
	requireAll := func(sent harness.Sent) {
		t.Helper()
		require.Equal(t, nodes*len(images[1]), sent.Manifests)
		require.GreaterOrEqual(t, sent.Bytes, nodes*size)
	}
	requireAll(measure("first cluster, without", images[1]))
	p.Destroy(t)
	p.VerifyNothingLeft(t)

	p.Up(t)
	second := measure("second cluster, with the cache", images[0])
	require.Zero(t, second.Manifests)
	require.Empty(t, second.Blobs)

	// What the cache has is never asked for again, whichever node wants it, and served when nobody else serves it.
	late, _ := hub.Add(t, "cached/late", 1_000_000)
	lost, _ := hub.Add(t, "cached/lost", 1_000_000)
	for i := range nodes - 1 {
		hub.TakeCount()
		agent := fmt.Sprintf("k3d-%s-agent-%d", p.Cluster, i)
		images := []string{late}
		if i == 0 {
			images = append(images, lost)
		}
		pull(t, p, "late", map[string]any{"kubernetes.io/hostname": agent}, images...)
		sent := hub.TakeCount()
		t.Logf("%s: %v", agent, sent.Blobs)
		require.Len(t, sent.Blobs, []int{4, 0, 0}[i], "configuration and layer of both, at first")
	}
	resume := hub.Pause()
	pull(t, p, "lost", map[string]any{"kubernetes.io/hostname": fmt.Sprintf("k3d-%s-agent-1", p.Cluster)}, lost)
	resume()

	p.Docker(t, "rm", "--force", imageCache)
	requireAll(measure("second cluster, without", images[1]))
}

// TestImageCacheOfUp counts what the images of the default stack cost on four nodes, one cluster after the other: without the
// cache, whose name somebody else's container has, and with it.
func TestImageCacheOfUp(t *testing.T) {
	harness.Long(t)
	harness.SkipUnlessNodesPull(t)
	hub := harness.StartHub(t)
	p := harness.NewProject(t, "agents=3", "imageCache="+hub.URL)
	removeImageCacheAfter(t, p)
	measure := func(what string) harness.Sent {
		t.Helper()
		hub.TakeCount()
		start := time.Now()
		p.Up(t)
		took, sent := time.Since(start), hub.TakeCount()
		t.Logf("%s: %d pulls, %.1f MB, %.1f s", what, sent.Manifests, float64(sent.Bytes)/1e6, took.Seconds())
		p.VerifySplit(t, 100, 0)
		p.Destroy(t)
		p.VerifyNothingLeft(t)
		return sent
	}
	p.Docker(t, "create", "--name", imageCache, pins.K3sImage)
	without := measure("without the cache")
	p.Docker(t, "rm", "--volumes", imageCache)
	first, second := measure("first cluster with the cache"), measure("second cluster with the cache")
	require.Less(t, first.Manifests, without.Manifests)
	require.Less(t, first.Bytes, without.Bytes)
	require.Zero(t, second.Manifests)
}

// removeImageCacheAfter destroys the stack and removes the cache when the test is over.
func removeImageCacheAfter(t *testing.T, p *harness.Project) {
	t.Helper()
	t.Cleanup(func() {
		p.Destroy(t)
		p.VerifyNothingLeft(t)
		harness.Run(t, p.Dir, p.Env, "scripts/cluster-remove-image-cache.sh")
		require.Empty(t, p.Docker(t, "ps", "--all", "--quiet", "--filter", "name="+imageCache))
		require.Empty(t, p.Docker(t, "volume", "ls", "--quiet", "--filter", "name="+imageCache))
	})
}

// pull runs a pod of images on each node that a selector names, and gives the time until all of them run.
func pull(t *testing.T, p *harness.Project, name string, selector map[string]any, images ...string) time.Duration {
	t.Helper()
	var containers []any
	for i, image := range images {
		containers = append(containers, map[string]any{
			"name": fmt.Sprintf("app-%d", i), "image": image, "command": []any{"/testserver", "-listen", fmt.Sprintf("127.0.0.1:%d", 9000+i)},
		})
	}
	begin := time.Now()
	stop := harness.RunOnNodes(t, p.Client(t), name, map[string]any{"containers": containers, "nodeSelector": selector})
	took := time.Since(begin)
	stop()
	return took
}
