package dataplane

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"canary/internal/kube"
)

func TestProxiesOf(t *testing.T) {
	t.Parallel()
	named := func(name string) []kube.Container { return []kube.Container{{Name: "app"}, {Name: name}} }
	ready := []kube.ContainerStatus{{Name: proxyContainer, Ready: true}}
	pod := func(name string, spec kube.PodSpec, status kube.PodStatus) kube.Pod {
		return kube.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: "1"}, Spec: spec, Status: status}
	}
	running := kube.PodStatus{Phase: kube.PodRunning, ContainerStatuses: ready}
	gatewayPod := pod("gateway", kube.PodSpec{Containers: named(proxyContainer)}, running)
	gatewayPod.Labels = map[string]string{"istio": "ingressgateway", "app": "x"}
	ending := pod("ending", kube.PodSpec{Containers: named(proxyContainer)}, running)
	ending.DeletionTimestamp = &metav1.Time{}
	native := pod("native",
		kube.PodSpec{InitContainers: []kube.Container{{Name: proxyContainer, RestartPolicy: kube.RestartAlways}}},
		kube.PodStatus{Phase: kube.PodRunning, InitContainerStatuses: ready})
	got := proxiesOf([]kube.Pod{
		gatewayPod, ending, native,
		pod("starting", kube.PodSpec{Containers: named(proxyContainer)}, kube.PodStatus{Phase: kube.PodRunning}),
		pod("plain", kube.PodSpec{Containers: named("other")}, running),
		pod("init only", kube.PodSpec{InitContainers: named(proxyContainer)}, running),
		pod("pending", kube.PodSpec{Containers: named(proxyContainer)}, kube.PodStatus{Phase: kube.PodPending}),
		pod("done", kube.PodSpec{Containers: named(proxyContainer)}, kube.PodStatus{Phase: kube.PodSucceeded}),
	}, labels.SelectorFromSet(labels.Set{"istio": "ingressgateway"}))
	require.Equal(t, []proxy{
		{namespace: "ns", pod: "gateway", uid: "1", gateway: true, ready: true},
		{namespace: "ns", pod: "ending", uid: "1", ready: true, ending: true},
		{namespace: "ns", pod: "native", uid: "1", ready: true},
		{namespace: "ns", pod: "starting", uid: "1"},
	}, got)
}

func TestFleetList(t *testing.T) {
	t.Parallel()
	const gatewayPath = "/apis/networking.istio.io/v1/namespaces/app-example/gateways/app-example"
	const pods = `{"apiVersion":"v1","kind":"PodList","items":[
		{"metadata":{"namespace":"istio-system","name":"g","uid":"1","labels":{"istio":"edge"}},"spec":{"containers":[{"name":"istio-proxy"}]},"status":{"phase":"Running"}}]}`
	t.Run("the Gateway says which pods are gateways", func(t *testing.T) {
		t.Parallel()
		fleet := newClusterFleet(fakeAPI(t, map[string]string{
			gatewayPath:    `{"apiVersion":"networking.istio.io/v1","kind":"Gateway","metadata":{"name":"app-example"},"spec":{"selector":{"istio":"edge"}}}`,
			"/api/v1/pods": pods,
		}), exampleApp)
		got, err := fleet.list(t.Context())
		require.NoError(t, err)
		require.Equal(t, []proxy{{namespace: "istio-system", pod: "g", uid: "1", gateway: true}}, got)
	})
	t.Run("no selector", func(t *testing.T) {
		t.Parallel()
		fleet := newClusterFleet(fakeAPI(t, map[string]string{
			gatewayPath: `{"apiVersion":"networking.istio.io/v1","kind":"Gateway","metadata":{"name":"app-example"},"spec":{}}`,
		}), exampleApp)
		_, err := fleet.list(t.Context())
		require.ErrorContains(t, err, "Gateway app-example/app-example has no selector")
	})
	t.Run("no Gateway", func(t *testing.T) {
		t.Parallel()
		_, err := newClusterFleet(fakeAPI(t, nil), exampleApp).list(t.Context())
		require.ErrorContains(t, err, "Gateway app-example/app-example: ")
	})
}

func TestFleetRead(t *testing.T) {
	t.Parallel()
	var query string
	status, body := http.StatusOK, []byte("{}")
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.Path + "?" + r.URL.Query().Get("resource") + " " + r.URL.Query().Get("name_regex")
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	defer admin.Close()
	fleet := newClusterFleet(fakeAPI(t, nil), exampleApp)
	defer fleet.close()
	p := gateway("g")
	l := fleet.link(p)
	l.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", admin.Listener.Addr().String())
	}}
	require.Same(t, l, fleet.link(p), "one kept connection")

	dump, err := os.ReadFile("testdata/routes/gateway-50-50.json")
	require.NoError(t, err)
	body = dump
	got, err := fleet.read(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, served{host: true, splits: []Split{{50, 50}}}, got)
	require.Equal(t, `/config_dump?dynamic_route_configs https?\..*`, query)

	p.gateway = false
	_, err = fleet.read(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, `/config_dump?dynamic_route_configs (.*:)?80`, query)

	status = http.StatusServiceUnavailable
	_, err = fleet.read(t.Context(), p)
	require.ErrorContains(t, err, "envoy answers 503")

	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err = fleet.read(ctx, p)
	require.EqualError(t, err, "its Envoy does not answer in time")

	fleet.forget(p)
	require.NotSame(t, l, fleet.link(p))
}
