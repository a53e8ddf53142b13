//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"canary/internal/converge"
	"canary/internal/release"
	"canary/test/e2e/harness"
)

// TestPlainTextIsRefused asks a pod of the app from outside the mesh, in plain text: the API server connects to the pod's
// address from its node. Without the policy the same request is answered, so it is the policy that refuses it.
func TestPlainTextIsRefused(t *testing.T) {
	p := harness.Shared(t)
	a := p.Example(t)
	server := apiServerOf(t, p)
	pods := harness.Ready(harness.PodsOf(t, a.Client, a.Namespace, a.Name, "stable"))
	require.Len(t, pods, 1)
	require.True(t, probedBySidecar(harness.Spec(t, a.Client, pods[0])), "the kubelet would be refused as well")

	refused := func(ctx context.Context) error {
		status, body, err := server.get(ctx, &pods[0])
		if err == nil && status != http.StatusOK && !strings.Contains(body, `"subset"`) {
			t.Logf("plain text from outside the mesh: %d %s", status, strings.TrimSpace(body))
			return nil
		}
		return fmt.Errorf("answered %d %q, %v", status, body, err)
	}
	require.NoError(t, refused(t.Context()))
	a.RequireSplit(t, 0)

	policies := harness.Objects(a.Client, harness.PeerAuthentications, a.Namespace)
	require.NoError(t, policies.Delete(t.Context(), "default", metav1.DeleteOptions{}))
	restored := false
	restore := func() {
		if !restored {
			restored = true
			p.Pulumi(t, append(harness.UpArgs, "--refresh")...)
		}
	}
	t.Cleanup(restore)
	harness.Eventually(t, time.Minute, func(ctx context.Context) error {
		status, body, err := server.get(ctx, &pods[0])
		if err == nil && status == http.StatusOK && strings.Contains(body, `"subset":"stable"`) {
			t.Logf("without the policy: %d %s", status, strings.TrimSpace(body))
			return nil
		}
		return fmt.Errorf("answered %d %q, %v", status, body, err)
	})

	restore()
	harness.Eventually(t, time.Minute, refused)
	a.RequireSplit(t, 0)
}

// probedBySidecar reports whether the kubelet's probe goes to the sidecar, which needs no certificate for it.
func probedBySidecar(spec corev1.PodSpec) bool {
	for _, container := range spec.Containers {
		if container.Name == "app" && container.ReadinessProbe != nil && container.ReadinessProbe.HTTPGet != nil {
			return container.ReadinessProbe.HTTPGet.Path == "/app-health/app/readyz"
		}
	}
	return false
}

// apiServer sends requests to pods as the API server's proxy does: with its credentials, from its node.
type apiServer struct {
	host string
	http *http.Client
}

func apiServerOf(t *testing.T, p *harness.Project) apiServer {
	t.Helper()
	config, err := clientcmd.RESTConfigFromKubeConfig([]byte(p.Kubeconfig(t)))
	require.NoError(t, err)
	client, err := rest.HTTPClientFor(config)
	require.NoError(t, err)
	return apiServer{host: config.Host, http: client}
}

func (s apiServer) get(ctx context.Context, pod *corev1.Pod) (status int, body string, err error) {
	address := fmt.Sprintf("%s/api/v1/namespaces/%s/pods/%s:8080/proxy/", s.host, pod.Namespace, pod.Name)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// TestProxiesHoldSubsets reads what Envoy itself says of its clusters, which the first update waits for.
func TestProxiesHoldSubsets(t *testing.T) {
	p := harness.Shared(t)
	app := release.App{Namespace: "app-example", Name: "app-example", Hosts: []string{"app-example.app-example.localhost"}}
	start := time.Now()
	require.NoError(t, converge.WaitClusters(t.Context(), p.Client(t), app, 10*time.Second, func(line string) { t.Log(line) }))
	t.Logf("every proxy holds both subsets, read in %v", time.Since(start))

	app.Name = "no-such-app"
	err := converge.WaitClusters(t.Context(), p.Client(t), app, time.Second, nil)
	require.ErrorAs(t, err, new(*converge.ClusterLagError))
	t.Log(err)
}

// TestTwoSteps changes the pods of stable in the update that takes weight from it: refused, and nothing is touched; in
// two steps it works. (Weight leaves the canary before anything else of an update, so its pods may change with it.)
func TestTwoSteps(t *testing.T) {
	p := harness.Shared(t)
	p.RestoreAfter(t)
	a := p.Example(t)
	p.Set(t, "canaryImage", harness.ImageNext)
	p.Up(t)
	p.Set(t, "canaryWeight", "50")
	p.Up(t)
	before := harness.Versions(t, a.Client, a.Namespace)

	p.SetAll(t, "canaryWeight=90", "stableReplicas=2", "stableImage="+harness.ImageNext)
	preview := p.Attempt(t, "preview", "--non-interactive")
	require.Zero(t, preview.Code, "the cluster is not looked at in a preview\n%s", preview.All)
	refused := p.Attempt(t, harness.UpArgs...)
	require.NotZero(t, refused.Code)
	t.Logf("after %.1f s:\n%s", refused.Took.Seconds(), refused.All)
	require.Contains(t, refused.All, "this update would change the pods of subset stable and take weight from it, while it serves requests")
	require.Contains(t, refused.All, "split in force: stable 50 / canary 50")
	require.Contains(t, refused.All, "wanted split:   stable 10 / canary 90")
	require.Contains(t, refused.All, `=> "`+harness.ImageNext+`"`)
	require.Equal(t, before, harness.Versions(t, a.Client, a.Namespace))
	a.RequireIngress(t, 50)

	// As the message says: first the weight (more pods are no change of them), then the pods.
	p.Pulumi(t, "config", "rm", "stableImage")
	p.Up(t)
	a.RequireIngress(t, 90)
	p.Set(t, "stableImage", harness.ImageNext)
	p.Up(t)
	a.RequireIngress(t, 90)
	stable := harness.Ready(harness.PodsOf(t, a.Client, a.Namespace, a.Name, "stable"))
	require.Len(t, stable, 2)
	require.Equal(t, harness.ImageNext, stable[0].Spec.Containers[0].Image)
}

// TestSwitchOff takes the weight and the pods from the canary in one update: the pods go last.
func TestSwitchOff(t *testing.T) {
	harness.Long(t)
	p := harness.Shared(t)
	p.RestoreAfter(t)
	a := p.Example(t)
	p.Set(t, "canaryWeight", "50")
	p.Up(t)
	a.RequireSplit(t, 50)

	finish := a.Load(t, 50)
	p.SetAll(t, "canaryWeight=0", "canaryReplicas=0")
	p.Up(t)
	require.Empty(t, harness.Ready(harness.PodsOf(t, a.Client, a.Namespace, a.Name, "canary")))
	harness.RequireNoneFailed(t, finish())
	a.RequireSplit(t, 0)

	p.SetAll(t, "canaryWeight=50", "canaryReplicas=1")
	p.Up(t)
	a.RequireSplit(t, 50)
}

// TestWayInIsGone scales the ingress gateway to nothing: the pods that are ending hold the split and let nobody in. `up`
// and `status` say so at once, and what brings the gateway back.
func TestWayInIsGone(t *testing.T) {
	p := harness.Shared(t)
	a := p.Example(t)
	scale := func(pods int) {
		t.Helper()
		_, err := harness.Objects(a.Client, harness.Deployments, "istio-system").Patch(t.Context(), "istio-ingressgateway", types.MergePatchType,
			fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, pods), metav1.PatchOptions{FieldManager: "kubectl"})
		require.NoError(t, err)
	}
	scale(0)
	status := p.AttemptCommand(t, "canary", "status", "--stack", p.Stack)
	failed := p.Attempt(t, harness.UpArgs...)
	scale(2)
	t.Logf("status: exit code %d: %s", status.Code, status.All)
	t.Logf("up: exit code %d after %.1f s: %s", failed.Code, failed.Took.Seconds(), failed.All)
	require.Equal(t, 1, status.Code)
	require.Contains(t, status.All, "there is no ingress traffic")
	require.Contains(t, status.All, "differs: Deployment istio-system/istio-ingressgateway wants 0 pods: `kubectl -n istio-system scale deployment istio-ingressgateway --replicas=2` brings them back\n")
	require.NotZero(t, failed.Code)
	require.Contains(t, failed.All, "there is no way in, and ingress traffic fails: Deployment istio-system/istio-ingressgateway wants 0 pods: "+
		"`kubectl -n istio-system scale deployment istio-ingressgateway --replicas=2` brings them back")
	p.Up(t)
	a.RequireSplit(t, 0)
}

// TestForeignRoute lets another VirtualService take a path of the app's host: `up` and `status` name it.
func TestForeignRoute(t *testing.T) {
	p := harness.Shared(t)
	p.RestoreAfter(t)
	a := p.Example(t)
	others := harness.Objects(a.Client, harness.VirtualServices, "default")
	_, err := others.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": map[string]any{"name": "other"},
		"spec": map[string]any{
			"hosts":    []any{a.Host, "app-example.app-example.svc.cluster.local"},
			"gateways": []any{"app-example/app-example", "mesh"},
			"http": []any{map[string]any{
				"match": []any{map[string]any{"uri": map[string]any{"prefix": "/x"}}},
				"route": []any{map[string]any{"destination": map[string]any{"host": "app-example.app-example.svc.cluster.local", "subset": "canary"}}},
			}},
		},
	}}, metav1.CreateOptions{})
	require.NoError(t, err)
	p.Set(t, "canaryWeight", "50")
	failed := p.Attempt(t, harness.UpArgs...)
	status := p.AttemptCommand(t, "canary", "status", "--stack", p.Stack)
	require.NoError(t, others.Delete(t.Context(), "other", metav1.DeleteOptions{}))
	t.Logf("up: exit code %d after %.1f s: %s", failed.Code, failed.Took.Seconds(), failed.All)
	t.Logf("status: exit code %d: %s", status.Code, status.All)
	require.NotZero(t, failed.Code)
	require.Contains(t, failed.All, "VirtualService default/other takes requests for the app's host "+a.Host+": take the host out of it, or remove it")
	require.Equal(t, 1, status.Code)
	require.Contains(t, status.All, "with a route of VirtualService default/other")
	require.NotContains(t, status.All, "there is no ingress traffic")
	p.Up(t)
	a.RequireSplit(t, 50)
}

// TestForeignIstio brings a stack up that wants to install Istio where the shared one did: refused, and nothing is
// touched. With the Istio that is there it works, once it knows the gateway.
func TestForeignIstio(t *testing.T) {
	harness.Long(t)
	p := harness.Shared(t)
	c := p.Client(t)
	guest := p.Guest(t, "tenant")
	guest.SetSecret(t, "kubeconfig", p.Kubeconfig(t))
	istio := func() map[string]string {
		found := harness.Versions(t, c, "istio-system")
		// istiod renews its leases, which are ConfigMaps, all the time.
		maps.DeleteFunc(found, func(name, _ string) bool { return strings.HasPrefix(name, "configmaps/istio-") })
		return found
	}
	before := istio()
	refuse := func(want string) {
		t.Helper()
		refused := guest.Attempt(t, harness.UpArgs...)
		require.NotZero(t, refused.Code)
		t.Logf("after %.1f s:\n%s", refused.Took.Seconds(), refused.All)
		require.Contains(t, refused.All, want)
		require.Equal(t, before, istio())
		_, err := harness.Objects(c, harness.Namespaces, "").Get(t.Context(), "tenant", metav1.GetOptions{})
		require.True(t, apierrors.IsNotFound(err), "%v", err)
	}

	guest.Set(t, "istioInstall", "true")
	refuse("this cluster has an Istio already (istiod is Deployment istio-system/istiod)")
	guest.SetAll(t, "istioInstall=false", "istioGateway=ingress")
	refuse("no running pod has the label istio=ingress")

	guest.Pulumi(t, "config", "rm", "istioGateway")
	guest.Up(t)
	require.Equal(t, `"http://tenant.tenant.localhost"`, guest.Output(t, "url"))
	for _, from := range []string{"ingress", "mesh"} {
		require.Equal(t, 1000, guest.Requests(t, from).Counts["stable"])
	}
	guest.VerifyNoChanges(t)

	// What leads traffic goes before what it leads to.
	log := guest.Pulumi(t, harness.DestroyArgs...)
	requireOrder(t, log, "VirtualService app deleted", "DestinationRule app deleting")
	requireOrder(t, log, "DestinationRule app deleted", ":Service app deleting")
	requireOrder(t, log, "DestinationRule app deleted", "Deployment app-stable deleting")
	requireOrder(t, log, "Deployment app-canary deleted", "PeerAuthentication app deleting")
}

func requireOrder(t *testing.T, log, first, second string) {
	t.Helper()
	i, j := strings.Index(log, first), strings.Index(log, second)
	require.GreaterOrEqual(t, i, 0, "no %q in\n%s", first, log)
	require.Greater(t, j, i, "%q does not come after %q in\n%s", second, first, log)
}
