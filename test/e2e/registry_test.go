//go:build e2e

package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/test/e2e/harness"
)

// TestRegistry pushes images to the cluster's own registry, as a user does, and releases them by the name that they were
// pushed by: by tag and by digest, and by a tag that is not there.
func TestRegistry(t *testing.T) {
	harness.Long(t)
	port := harness.FreePort(t)
	p := harness.NewProject(t, "agents=1", fmt.Sprintf("registryPort=%d", port))
	volumes := func() []string {
		return strings.Fields(harness.Run(t, p.Dir, p.Env, "docker", "volume", "ls", "--quiet"))
	}
	before := volumes()
	t.Cleanup(func() {
		p.Destroy(t)
		p.VerifyNothingLeft(t)
		require.ElementsMatch(t, before, volumes())
	})
	p.Up(t)
	a := p.Example(t)

	image := fmt.Sprintf("localhost:%d/app", port)
	server := harness.BuildProgram(t, "testserver")
	push := func(tag string, more ...string) (digest string) {
		t.Helper()
		harness.ImportImage(t, image+":"+tag, harness.Archive(t, server), append([]string{"/testserver", "-listen", ":8080"}, more...)...)
		out := harness.Run(t, p.Dir, p.Env, "docker", "push", image+":"+tag)
		found := regexp.MustCompile(tag + `: digest: (sha256:[0-9a-f]{64}) `).FindStringSubmatch(out)
		require.NotNil(t, found, out)
		return found[1]
	}

	version := harness.SplitVersion(t, a.Client, a.Namespace, a.Name)
	p.SetAll(t, "canaryImage="+image+":v9", "canaryWeight=50")
	result := p.Attempt(t, harness.UpArgs...)
	require.NotZero(t, result.Code, result.All)
	message := harness.LineWith(result.All, "subset canary:")
	t.Logf("a tag that is not there: exit code %d after %.1f s: %s", result.Code, result.Took.Seconds(), message)
	require.Regexp(t, `the split stays 100/0: subset canary: 0 of 1 pods ready: pod \S+: container app: (ErrImagePull|ImagePullBackOff): .*`+
		regexp.QuoteMeta(image)+`:v9: not found; check the image's name and tag`, message)
	require.Equal(t, version, harness.SplitVersion(t, a.Client, a.Namespace, a.Name), "the split was written")
	a.RequireIngress(t, 0)

	for _, release := range []func() string{
		func() string { push("v2"); return image + ":v2" },
		func() string { return image + "@" + push("v3", "-listen-after", "0s") },
	} {
		start := time.Now()
		reference := release()
		p.Set(t, "canaryImage", reference)
		p.Up(t)
		t.Logf("%s: from push to served %.1f s", reference, time.Since(start).Seconds())
		a.RequireSplit(t, 50)
		pods := harness.PodsOf(t, a.Client, a.Namespace, a.Name, "canary")
		require.Len(t, pods, 1)
		require.Equal(t, reference, harness.Spec(t, a.Client, pods[0]).Containers[0].Image)
	}

	second := harness.NewProject(t, "agents=0", fmt.Sprintf("registryPort=%d", port))
	t.Cleanup(func() { second.Destroy(t) })
	result = second.Attempt(t, harness.UpArgs...)
	require.NotZero(t, result.Code, result.All)
	t.Log(harness.LineWith(result.All, "is taken by"))
	require.Contains(t, result.All, fmt.Sprintf("port %d of this machine is taken by the container k3d-%s-registry: stop it, or choose another port: "+
		"pulumi config set registryPort %d", port, p.Cluster, port+1))
	second.VerifyNothingLeft(t)
}
