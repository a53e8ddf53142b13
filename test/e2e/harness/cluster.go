//go:build e2e

package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"canary/internal/kube"
)

// ServiceAddress is the address of a Service inside the cluster.
func ServiceAddress(t *testing.T, c *kube.Client, namespace, name string) string {
	t.Helper()
	object, err := Objects(c, Services, namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	address, _, err := unstructured.NestedString(object.Object, "spec", "clusterIP")
	require.NoError(t, err)
	return address
}

// CutOff keeps a pod from reaching an address, until the function that it gives is called.
func CutOff(t *testing.T, c *kube.Client, pod corev1.Pod, address string) (restore func()) {
	t.Helper()
	const port = 9091
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"ephemeralContainers": []any{map[string]any{
		"name": "cutoff", "image": imageCutoff, "imagePullPolicy": "Never",
		"args": []string{"-address", address, "-listen", fmt.Sprintf("127.0.0.1:%d", port)},
		"securityContext": map[string]any{
			"runAsUser": 0, "runAsNonRoot": false, "capabilities": map[string]any{"add": []string{"NET_ADMIN"}},
		},
	}}}})
	require.NoError(t, err)
	_, err = Objects(c, PodResource, pod.Namespace).
		Patch(t.Context(), pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "ephemeralcontainers")
	require.NoError(t, err)
	Eventually(t, time.Minute, func(ctx context.Context) error {
		object, err := Objects(c, PodResource, pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		statuses, _, _ := unstructured.NestedSlice(object.Object, "status", "ephemeralContainerStatuses")
		if !slices.ContainsFunc(statuses, func(status any) bool {
			_, running, _ := unstructured.NestedMap(status.(map[string]any), "state", "running")
			return running
		}) {
			return fmt.Errorf("the container that cuts off does not run: %v", statuses)
		}
		return nil
	})
	t.Cleanup(func() {
		// Such a container stays in its pod: the pod makes room for one without.
		if err := Objects(c, PodResource, pod.Namespace).Delete(context.Background(), pod.Name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("delete pod %s: %v", pod.Name, err)
		}
	})
	return func() { Ask(t, c, http.MethodPost, pod.Namespace, pod.Name, port, "/restore") }
}

// MakeUp is what `make up` does with the stack.
func (p *Project) MakeUp(t *testing.T) Outcome {
	t.Helper()
	var sum Outcome
	for _, command := range [][]string{
		{"scripts/select-stack.sh", p.Stack},
		{"scripts/recover-cluster.sh", p.Stack},
		append(append([]string{"pulumi"}, UpArgs...), "--stack", p.Stack),
	} {
		o := p.AttemptCommand(t, command[0], command[1:]...)
		sum = Outcome{Code: o.Code, Took: sum.Took + o.Took, All: sum.All + o.All}
		if command[0] != "pulumi" {
			t.Log(LastLines(o.All, 12))
		}
		if o.Code != 0 {
			break
		}
	}
	return sum
}

// Docker runs docker on the engine that the cluster lives on.
func (p *Project) Docker(t *testing.T, args ...string) string {
	t.Helper()
	return Run(t, p.Dir, p.Env, "docker", args...)
}

// Node is the container, and the node of Kubernetes, that k3d calls so: server-0, agent-0, or serverlb.
func (p *Project) Node(name string) string { return "k3d-" + p.Cluster + "-" + name }

// Nodes are the cluster's containers.
func (p *Project) nodes(t *testing.T) []string {
	t.Helper()
	return strings.Fields(p.Docker(t, "ps", "--all", "--filter", "label=k3d.cluster="+p.Cluster, "--format", "{{.Names}}"))
}

// StopNodes stops every container of the cluster.
func (p *Project) StopNodes(t *testing.T) {
	t.Helper()
	p.Docker(t, append([]string{"stop", "-t", "1"}, p.nodes(t)...)...)
}

// K3dDelete deletes the cluster behind Pulumi's back.
func (p *Project) K3dDelete(t *testing.T) {
	t.Helper()
	// k3d edits the user's kubeconfig, which is not what is looked at here.
	env := append(slices.Clone(p.Env), "KUBECONFIG="+filepath.Join(t.TempDir(), "kubeconfig"))
	Run(t, p.Dir, env, "k3d", "cluster", "delete", p.Cluster)
	require.Empty(t, p.nodes(t))
}
