package envoy

import (
	"cmp"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"canary/internal/kubetest"
	"canary/internal/mesh"
	"canary/internal/release"
)

func TestProxiesOf(t *testing.T) {
	t.Parallel()
	named := func(name string) []corev1.Container { return []corev1.Container{{Name: "app"}, {Name: name}} }
	ready := []corev1.ContainerStatus{{Name: mesh.ProxyContainer, Ready: true}}
	pod := func(name string, spec corev1.PodSpec, status corev1.PodStatus) corev1.Pod {
		return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: "1"}, Spec: spec, Status: status}
	}
	running := corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: ready}
	gatewayPod := pod("gateway", corev1.PodSpec{Containers: []corev1.Container{{Name: mesh.ProxyContainer}}}, running)
	gatewayPod.Labels = map[string]string{"istio": "ingressgateway"}
	ending := pod("ending", corev1.PodSpec{Containers: named(mesh.ProxyContainer)}, running)
	ending.DeletionTimestamp = &metav1.Time{}
	native := pod("native",
		corev1.PodSpec{InitContainers: []corev1.Container{{Name: mesh.ProxyContainer, RestartPolicy: new(corev1.ContainerRestartPolicyAlways)}}},
		corev1.PodStatus{Phase: corev1.PodRunning, InitContainerStatuses: ready})
	got := proxiesOf([]corev1.Pod{
		gatewayPod, ending, native,
		pod("starting", corev1.PodSpec{Containers: named(mesh.ProxyContainer)}, corev1.PodStatus{Phase: corev1.PodRunning}),
		pod("plain", corev1.PodSpec{Containers: named("other")}, running),
		pod("init only", corev1.PodSpec{InitContainers: named(mesh.ProxyContainer)}, running),
		pod("pending", corev1.PodSpec{Containers: named(mesh.ProxyContainer)}, corev1.PodStatus{Phase: corev1.PodPending}),
		pod("done", corev1.PodSpec{Containers: named(mesh.ProxyContainer)}, corev1.PodStatus{Phase: corev1.PodSucceeded}),
	}, labels.SelectorFromSet(labels.Set{"istio": "ingressgateway"}))
	require.Equal(t, []Proxy{
		{Namespace: "ns", Pod: "gateway", UID: "1", Labels: labels.Set{"istio": "ingressgateway"}, Gateway: true, Ready: true},
		{Namespace: "ns", Pod: "ending", UID: "1", Sidecar: true, Ready: true, Ending: true},
		{Namespace: "ns", Pod: "native", UID: "1", Sidecar: true, Ready: true},
		{Namespace: "ns", Pod: "starting", UID: "1", Sidecar: true},
	}, got)
}

func TestFleetList(t *testing.T) {
	t.Parallel()
	const gatewayPath = "/apis/networking.istio.io/v1/namespaces/app-example/gateways/app-example"
	const pods = `{"apiVersion":"v1","kind":"PodList","items":[
		{"metadata":{"namespace":"istio-system","name":"g","uid":"1","labels":{"istio":"edge"}},"spec":{"containers":[{"name":"istio-proxy"}]},"status":{"phase":"Running"}}]}`
	t.Run("the Gateway says which pods are gateways", func(t *testing.T) {
		t.Parallel()
		fleet := NewAdmin(kubetest.API(t, map[string]string{
			gatewayPath:    `{"apiVersion":"networking.istio.io/v1","kind":"Gateway","metadata":{"name":"app-example"},"spec":{"selector":{"istio":"edge"}}}`,
			"/api/v1/pods": pods,
		}), exampleApp)
		got, err := fleet.List(t.Context())
		require.NoError(t, err)
		require.Equal(t, []Proxy{{Namespace: "istio-system", Pod: "g", UID: "1", Labels: labels.Set{"istio": "edge"}, Gateway: true}}, got)
	})
	t.Run("no selector", func(t *testing.T) {
		t.Parallel()
		fleet := NewAdmin(kubetest.API(t, map[string]string{
			gatewayPath: `{"apiVersion":"networking.istio.io/v1","kind":"Gateway","metadata":{"name":"app-example"},"spec":{}}`,
		}), exampleApp)
		_, err := fleet.List(t.Context())
		require.ErrorContains(t, err, "Gateway app-example/app-example has no selector")
	})
	t.Run("no Gateway", func(t *testing.T) {
		t.Parallel()
		got, err := NewAdmin(kubetest.API(t, map[string]string{"/api/v1/pods": pods}), exampleApp).List(t.Context())
		require.NoError(t, err)
		require.Equal(t, []Proxy{{Namespace: "istio-system", Pod: "g", UID: "1", Labels: labels.Set{"istio": "edge"}}}, got, "none of them is a gateway")
	})
}

func TestFleetRead(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	queries := map[string]bool{}
	asked := func() (sorted []string) {
		mu.Lock()
		defer mu.Unlock()
		sorted = slices.Sorted(maps.Keys(queries))
		clear(queries)
		return sorted
	}
	status, bodies := http.StatusOK, map[string][]byte{}
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resource := r.URL.Query().Get("resource")
		mu.Lock()
		queries[r.URL.Path+"?"+resource+" "+r.URL.Query().Get("name_regex")] = true
		mu.Unlock()
		w.WriteHeader(status)
		_, _ = io.WriteString(w, cmp.Or(string(bodies[resource]), "{}"))
	}))
	defer admin.Close()
	fleet := NewAdmin(kubetest.API(t, nil), exampleApp)
	defer fleet.Close()
	p := Proxy{Pod: "g", Gateway: true, Ready: true}
	l := fleet.pages(p)
	l.Client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", admin.Listener.Addr().String())
	}}
	require.Same(t, l, fleet.pages(p), "one kept connection")

	read := func(resource, file string) {
		var err error
		bodies[resource], err = os.ReadFile(file)
		require.NoError(t, err)
	}
	const clusters = `/config_dump?dynamic_active_clusters outbound\|80\|[a-z]*\|app-example\.app-example\.svc\..*`
	read("dynamic_route_configs", "testdata/routes/gateway-50-50.json")
	got, err := fleet.RoutesAlone(t.Context(), p, exampleApp)
	require.NoError(t, err)
	require.Equal(t, Routes{Host: true, Splits: []release.Split{{Stable: 50, Canary: 50}}}, got)
	require.Equal(t, []string{`/config_dump?dynamic_route_configs https?\..*`}, asked())

	got, err = fleet.Routes(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, Routes{Host: true, Splits: []release.Split{{Stable: 50, Canary: 50}}, Wanted: &release.Extras{}, Clusters: &Clusters{}}, got)
	require.Equal(t, []string{clusters, `/config_dump?dynamic_route_configs https?\..*`}, asked())

	read("dynamic_active_clusters", "testdata/clusters/gateway.json")
	p.Gateway = false
	got, err = fleet.Routes(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, &Clusters{Service: true, Stable: true, Canary: true}, got.Clusters)
	require.Equal(t, []string{clusters, `/config_dump?dynamic_route_configs (.*:)?80`}, asked())

	fleet.held = map[string]Clusters{"": {Stable: true, Canary: true}}
	got, err = fleet.Routes(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, &Clusters{Stable: true, Canary: true}, got.Clusters)
	require.Equal(t, []string{`/config_dump?dynamic_route_configs (.*:)?80`}, asked(), "what was seen before the write is not asked for again")

	status = http.StatusServiceUnavailable
	_, err = fleet.Routes(t.Context(), p)
	require.ErrorContains(t, err, "envoy answers 503")

	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err = fleet.Routes(ctx, p)
	require.EqualError(t, err, "its Envoy does not answer in time")

	fleet.Forget(p)
	require.NotSame(t, l, fleet.pages(p))
}

// Only gateways keep users on a version.
func TestWanted(t *testing.T) {
	t.Parallel()
	app := exampleApp
	app.Extras = release.Extras{Header: "x-canary", Mirrored: 10, Cookie: "v"}
	gateway, sidecar := wanted(app, Proxy{Gateway: true}), wanted(app, Proxy{Sidecar: true})
	require.Equal(t, &app.Extras, gateway)
	require.Equal(t, &release.Extras{Header: "x-canary", Mirrored: 10}, sidecar)
}
