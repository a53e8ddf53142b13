//go:build e2e

package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"canary/internal/kube"
	"canary/test/e2e/harness"
)

// TestBrokenRelease releases canaries that cannot become ready, together with a weight that they must not get: up fails
// with the pod's own reason, the split is not written, and traffic goes on as before.
func TestBrokenRelease(t *testing.T) {
	p := harness.Shared(t)
	a := p.Example(t)
	for _, broken := range []struct {
		name     string
		settings []string
		first    string // a setting that changes stable, too, and so comes before
		arrange  func(*testing.T, *kube.Client, harness.App)
		says     string // of one line, after "subset canary: 0 of 1 pods ready: "
		within   time.Duration
		long     bool
	}{{
		name:     "missing image",
		settings: []string{"canaryImage=docker.io/library/there-is-no-such-image:1.0.0"},
		says: `pod \S+: container app: (ErrImagePull|ImagePullBackOff): image docker\.io/library/there-is-no-such-image:1\.0\.0: .*; ` +
			`(check the image's name and tag|the nodes cannot (reach the registry|resolve the registry's name))`,
		within: 90 * time.Second,
	}, {
		name:     "crash",
		settings: []string{"canaryImage=" + harness.ImageCrash},
		says: `pod \S+: container app: CrashLoopBackOff: exited with code 1, restarted (once|\d+ times); ` +
			`last log line: "testserver: listen tcp: address nowhere: missing port in address"; see .kubectl logs`,
		within: 90 * time.Second,
	}, {
		name:     "a program for another platform",
		settings: []string{"canaryImage=" + harness.ImageOther},
		says:     `pod \S+: container app: CrashLoopBackOff: .*exec format error.*; the image is not built for the platform of the nodes: `,
		within:   90 * time.Second,
		long:     true,
	}, {
		// It passes its probe, again after each restart, and must get no traffic all the same.
		name:     "ready for a moment",
		settings: []string{"canaryImage=" + harness.ImageFickle},
		says: `pod \S+: container app: CrashLoopBackOff: exited with code 1, restarted (once|\d+ times); ` +
			`last log line: "testserver: crashing, as asked for, after 2s"; see .kubectl logs`,
		within: 90 * time.Second,
		long:   true,
	}, {
		name:     "bad probe",
		settings: []string{"canaryImage=" + harness.ImageDeaf},
		first:    "startSeconds=10",
		says: `pod \S+: container app: Unhealthy: Startup probe failed: .*; ` +
			`check .containerPort., .readinessPath. and .readinessProtocol., or give the app more than its 10s in .startSeconds.`,
		within: time.Minute,
		long:   true,
	}, {
		// No setting asks a pod for more than a node has: the cluster is made full instead.
		name:     "unschedulable",
		settings: []string{"canaryImage=" + harness.ImageNext},
		arrange:  func(t *testing.T, c *kube.Client, _ harness.App) { closeNodes(t, c) },
		says:     `pod \S+: Unschedulable: 0/2 nodes are available: .*; no node can take the pod: free or add capacity, or ask for less`,
		within:   90 * time.Second,
		long:     true,
	}, {
		// No setting bounds a pod's memory either: the namespace does, as on many clusters.
		name:     "no memory",
		settings: []string{"canaryImage=" + harness.ImageHungry},
		arrange:  limitMemory,
		says:     `pod \S+: container app: OOMKilled: .*; the container needs more memory than its limit or its node allows`,
		within:   2 * time.Minute,
	}} {
		t.Run(broken.name, func(t *testing.T) {
			if broken.long {
				harness.Long(t)
			}
			p.RestoreAfter(t)
			if broken.first != "" {
				p.SetAll(t, broken.first)
				p.Up(t)
			}
			version := harness.SplitVersion(t, a.Client, a.Namespace, a.Name)
			if broken.arrange != nil {
				broken.arrange(t, a.Client, a)
			}
			p.SetAll(t, append(broken.settings, "canaryWeight=50")...)
			result := p.Attempt(t, harness.UpArgs...)

			require.NotZero(t, result.Code, result.All)
			message := harness.LineWith(result.All, "subset canary:")
			t.Logf("exit code %d after %.1f s: %s", result.Code, result.Took.Seconds(), message)
			require.Regexp(t, `the split stays 100/0: subset canary: 0 of 1 pods ready: `+broken.says, message)
			require.Less(t, result.Took, broken.within)
			require.Equal(t, version, harness.SplitVersion(t, a.Client, a.Namespace, a.Name), "the split was written")
			a.RequireIngress(t, 0)
		})
	}
	a.RequireSplit(t, 0)
}

// closeNodes keeps new pods off every node until the test is over.
func closeNodes(t *testing.T, c *kube.Client) {
	t.Helper()
	list, err := harness.Objects(c, harness.Nodes, "").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, node := range list.Items {
		t.Cleanup(func() { require.NoError(t, harness.Cordon(context.Background(), c, node.GetName(), false)) })
		require.NoError(t, harness.Cordon(t.Context(), c, node.GetName(), true))
	}
}

// limitMemory gives containers without a limit of their own one of 64 MiB until the test is over.
func limitMemory(t *testing.T, c *kube.Client, a harness.App) {
	t.Helper()
	const name = "e2e-memory"
	limits := harness.Objects(c, harness.LimitRanges, a.Namespace)
	t.Cleanup(func() { require.NoError(t, limits.Delete(context.Background(), name, metav1.DeleteOptions{})) })
	_, err := limits.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "LimitRange", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"limits": []any{map[string]any{
			"type": "Container", "default": map[string]any{"memory": "64Mi"}, "defaultRequest": map[string]any{"memory": "32Mi"},
		}}},
	}}, metav1.CreateOptions{})
	require.NoError(t, err)
}
