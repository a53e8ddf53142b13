//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"canary/internal/kube"
	"canary/test/e2e/harness"
)

// TestProxyCutOff cuts one proxy off from istiod and changes the split: up waits for it, fails at its timeout, and says
// which one it is and what it serves. When the proxy is back, the same up succeeds.
func TestProxyCutOff(t *testing.T) {
	harness.Long(t)
	p := harness.Shared(t)
	a := p.Example(t)
	p.RestoreAfter(t)
	pods := harness.Ready(harness.PodsOf(t, a.Client, a.Namespace, a.Name, "stable"))
	require.NotEmpty(t, pods)
	pod := pods[0]
	restore := harness.CutOff(t, a.Client, pod, harness.ServiceAddress(t, a.Client, harness.MeshNamespace, "istiod"))
	// What istiod sends still arrives until one of the two misses the answers of the other.
	istiod, err := a.Client.Pods(t.Context(), harness.MeshNamespace, "app=istiod")
	require.NoError(t, err)
	require.Len(t, istiod, 1)
	known := func(want bool) {
		t.Helper()
		begin := time.Now()
		harness.Eventually(t, 2*time.Minute, func(context.Context) error {
			book := harness.Ask(t, a.Client, http.MethodGet, harness.MeshNamespace, istiod[0].Name, 15014, "/debug/syncz")
			if got := strings.Contains(book, pod.Name); got != want {
				return fmt.Errorf("istiod knows the proxy: %t", got)
			}
			return nil
		})
		t.Logf("istiod knows the proxy: %t, after %.1f s", want, time.Since(begin).Seconds())
	}
	known(false)

	p.SetAll(t, "convergeTimeout=20", "canaryWeight=50")
	version := harness.SplitVersion(t, a.Client, a.Namespace, a.Name)
	result := p.Attempt(t, harness.UpArgs...)
	t.Logf("exit code %d after %.1f s: %s %s", result.Code, result.Took.Seconds(), harness.LineWith(result.All, "but after"), harness.LineWith(result.All, pod.Name))
	require.NotZero(t, result.Code, result.All)
	require.Contains(t, harness.LineWith(result.All, pod.Name), "serves stable 100 / canary 0")
	require.Contains(t, result.All, "but after 20s 1 of 4 proxies do not serve it")
	written := harness.SplitVersion(t, a.Client, a.Namespace, a.Name)
	require.NotEqual(t, version, written, "the split was not written")

	restore()
	known(true) // Envoy pauses between its tries, for longer than the update waits: 21 s were seen
	p.Up(t)
	require.Equal(t, written, harness.SplitVersion(t, a.Client, a.Namespace, a.Name), "the split was written again")
	a.RequireSplit(t, 50)
}

// TestIstiodDown changes the split while istiod is down: the API server takes no change, up says so, and traffic goes on.
// status says so, too, and what comes of it for new pods; without istiod nobody writes the webhook's caBundle again.
func TestIstiodDown(t *testing.T) {
	p := harness.Shared(t)
	a := p.Example(t)
	p.RestoreAfter(t)
	version := harness.SplitVersion(t, a.Client, a.Namespace, a.Name)
	scaleIstiod(t, a.Client, 0)
	up := false
	t.Cleanup(func() {
		if !up {
			scaleIstiod(t, a.Client, 1)
		}
	})
	harness.Drained(t, a.Client, harness.MeshNamespace)

	p.Set(t, "canaryWeight", "50")
	result := p.Attempt(t, harness.UpArgs...)
	message := harness.LineWith(result.All, "the split stays")
	t.Logf("exit code %d after %.1f s: %s", result.Code, result.Took.Seconds(), message)
	require.NotZero(t, result.Code, result.All)
	require.Contains(t, message, "the split stays 100/0, and traffic goes on as before: the API server refuses every change of a VirtualService")
	require.Contains(t, message, "check istiod (`kubectl get pods -A -l app=istiod`)")
	require.Equal(t, version, harness.SplitVersion(t, a.Client, a.Namespace, a.Name))
	a.RequireIngress(t, 0)

	removeCABundle(t, a.Client)
	status := p.AttemptCommand(t, "canary", "status", "--stack", p.Stack)
	t.Logf("status: exit code %d: %s", status.Code, status.All)
	require.Equal(t, 1, status.Code)
	require.Contains(t, status.All, "differs: no pod can be made in namespace app-example, and the split cannot be changed: Deployment istio-system/istiod wants 0 pods: "+
		"`kubectl -n istio-system scale deployment istiod --replicas=1` brings them back\n")
	require.Contains(t, status.All, "differs: no pod can be made in namespace app-example: MutatingWebhookConfiguration istio-sidecar-injector has no caBundle, so that the API server does not trust Service istio-system/istiod; "+
		"istiod writes it when it starts: `kubectl -n istio-system rollout restart deployment -l app=istiod`\n")

	scaleIstiod(t, a.Client, 1)
	up = true
	p.Up(t)
	a.RequireSplit(t, 50)
	requireAgrees(t, p)
}

func scaleIstiod(t *testing.T, client *kube.Client, replicas int) {
	t.Helper()
	scaleDeployment(t, client, harness.MeshNamespace, "istiod", replicas)
}

// scaleDeployment changes the number of a Deployment's pods, as `kubectl scale` does, and waits for them.
func scaleDeployment(t *testing.T, client *kube.Client, namespace, name string, replicas int) {
	t.Helper()
	harness.PatchDeployment(t, client, namespace, name, fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas))
	harness.Settled(t, client, namespace, name)
}

// sidecarInjector is the MutatingWebhookConfiguration of the stack's own istiod.
const sidecarInjector = "istio-sidecar-injector"

func deleteInjector(t *testing.T, client *kube.Client) {
	t.Helper()
	require.NoError(t, harness.Objects(client, harness.MutatingWebhookConfigurations, "").Delete(t.Context(), sidecarInjector, metav1.DeleteOptions{}))
}

// removeCABundle takes from the injector what the API server trusts istiod by.
func removeCABundle(t *testing.T, client *kube.Client) {
	t.Helper()
	changeInjector(t, client, func(clientConfig map[string]any) { delete(clientConfig, "caBundle") })
}

func changeInjector(t *testing.T, client *kube.Client, change func(clientConfig map[string]any)) {
	t.Helper()
	webhooks := harness.Objects(client, harness.MutatingWebhookConfigurations, "")
	injector, err := webhooks.Get(t.Context(), sidecarInjector, metav1.GetOptions{})
	require.NoError(t, err)
	configured, _, err := unstructured.NestedSlice(injector.Object, "webhooks")
	require.NoError(t, err)
	for _, w := range configured {
		change(w.(map[string]any)["clientConfig"].(map[string]any))
	}
	require.NoError(t, unstructured.SetNestedSlice(injector.Object, configured, "webhooks"))
	_, err = webhooks.Update(t.Context(), injector, metav1.UpdateOptions{})
	require.NoError(t, err)
}

// mendInjector types what status says when the injector is gone.
func mendInjector(t *testing.T, p *harness.Project) {
	t.Helper()
	status := p.AttemptCommand(t, "canary", "status", "--stack", p.Stack)
	t.Logf("status: exit code %d: %s", status.Code, status.All)
	require.Equal(t, 1, status.Code)
	said := regexp.MustCompile("differs: new pods of namespace app-example get no sidecar: MutatingWebhookConfiguration istio-sidecar-injector is gone: `pulumi up --replace '(.+)'` makes it anew\n").
		FindStringSubmatch(status.All)
	require.NotEmpty(t, said, status.All)
	repaired := p.Attempt(t, append(harness.UpArgs, "--replace", said[1])...)
	t.Logf("up --replace: exit code %d after %.1f s:\n%s", repaired.Code, repaired.Took.Seconds(), repaired.All)
	require.Zero(t, repaired.Code)
}

// requireAgrees waits until status finds nothing.
func requireAgrees(t *testing.T, p *harness.Project) {
	t.Helper()
	harness.Eventually(t, time.Minute, func(context.Context) error {
		if status := p.AttemptCommand(t, "canary", "status", "--stack", p.Stack); status.Code != 0 {
			return fmt.Errorf("status: exit code %d: %s", status.Code, status.All)
		}
		return nil
	})
}

// TestWebhookIsGone deletes the webhook by which pods get their sidecars: nothing that runs is affected, and `up` has
// nothing to change. status says what new pods would miss, and what it says to type brings the webhook back.
func TestWebhookIsGone(t *testing.T) {
	p := harness.Shared(t)
	a := p.Example(t)
	requireAgrees(t, p)
	deleteInjector(t, a.Client)
	p.Pulumi(t, append(harness.UpArgs, "--refresh")...)

	mendInjector(t, p)
	require.Equal(t, map[string]int{"replace": 1}, p.Changes(t), "the app's objects and the gateways stay")
	requireAgrees(t, p)
	a.RequireSplit(t, 0)

	// A new pod has its sidecar, without which it would not count as ready.
	pods := harness.PodsOf(t, a.Client, a.Namespace, a.Name, "stable")
	require.Len(t, pods, 1)
	require.NoError(t, harness.Objects(a.Client, harness.PodResource, a.Namespace).Delete(t.Context(), pods[0].Name, metav1.DeleteOptions{}))
	requireAgrees(t, p)
	p.VerifyNoChanges(t)
}
