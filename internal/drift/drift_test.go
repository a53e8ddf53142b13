package drift

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/kubetest"
)

func TestFind(t *testing.T) {
	t.Parallel()
	deployment := Object{
		APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web",
		Fields: map[string]any{"spec": map[string]any{
			"replicas": 2,
			"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "app", "image": "web:1"}}}},
		}},
	}
	service := Object{
		APIVersion: "v1", Kind: "Service", Namespace: "shop", Name: "web",
		Fields: map[string]any{"spec": map[string]any{"selector": map[string]any{"app.kubernetes.io/name": "web"}, "ports": []any{map[string]any{"port": 80}}}},
	}
	namespace := Object{APIVersion: "v1", Kind: "Namespace", Name: "shop", Fields: map[string]any{"metadata": map[string]any{"labels": map[string]any{"istio-injection": "enabled"}}}}
	virtualService := Object{
		APIVersion: "networking.istio.io/v1", Kind: "VirtualService", Namespace: "shop", Name: "web",
		Fields: map[string]any{"spec": map[string]any{"hosts": []any{"web", "shop.example.com"}}},
	}
	routes := Object{
		APIVersion: "networking.istio.io/v1", Kind: "VirtualService", Namespace: "shop", Name: "web",
		Fields: map[string]any{"spec": map[string]any{"http": []any{
			map[string]any{"name": "first"}, map[string]any{"name": "split", "mirror": map[string]any{"subset": "canary"}},
		}}},
	}
	const (
		deploymentPath = "/apis/apps/v1/namespaces/shop/deployments/web"
		servicePath    = "/api/v1/namespaces/shop/services/web"
		namespacePath  = "/api/v1/namespaces/shop"
		splitPath      = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/web"
	)
	live := func(spec string) string {
		return `{"kind":"Any","apiVersion":"v1","metadata":{"name":"web","managedFields":[
			{"manager":"pulumi-kubernetes-1","time":"2026-11-26T20:00:00Z","fieldsV1":{"f:spec":{"f:replicas":{},"f:selector":{}},"f:metadata":{"f:labels":{"f:app.kubernetes.io/name":{}}}}},
			{"manager":"kubectl","time":"2026-11-26T20:15:04Z","fieldsV1":{"f:spec":{"f:replicas":{},"f:selector":{}}}}]},"spec":` + spec + `}`
	}
	for name, tc := range map[string]struct {
		object     Object
		path, live string
		want       string // "" is no change
	}{
		"as it was written": {
			deployment, deploymentPath,
			live(`{"replicas":2,"strategy":{},"template":{"spec":{"containers":[{"name":"other","image":"x"},{"name":"app","image":"web:1","env":[]}]}}}`), "",
		},
		"more pods": {deployment, deploymentPath, live(`{"replicas":3,"template":{"spec":{"containers":[{"name":"app","image":"web:1"}]}}}`), ""},
		"fewer pods": {
			deployment, deploymentPath, live(`{"replicas":0,"template":{"spec":{"containers":[{"name":"app","image":"web:1"}]}}}`),
			"Deployment shop/web has spec.replicas: 2 => 0, as kubectl at 2026-11-26 20:15:04 UTC wrote it",
		},
		"another image": {
			deployment, deploymentPath, live(`{"replicas":2,"template":{"spec":{"containers":[{"name":"app","image":"web:2"}]}}}`),
			"Deployment shop/web has spec.template.spec.containers[app].image: web:1 => web:2",
		},
		"a container without a name in common": {
			deployment, deploymentPath, live(`{"replicas":2,"template":{"spec":{"containers":[{"name":"web","image":"web:1"}]}}}`),
			`Deployment shop/web has spec.template.spec.containers[app]: {"image":"web:1","name":"app"} => (none)`,
		},
		"another selector": {
			service, servicePath, live(`{"selector":{"app.kubernetes.io/name":"other"},"ports":[{"port":80}]}`),
			"Service shop/web has spec.selector.app.kubernetes.io/name: web => other, as kubectl at 2026-11-26 20:15:04 UTC wrote it",
		},
		"no selector, and one port more": {
			service, servicePath, live(`{"ports":[{"port":80},{"port":81}]}`),
			`Service shop/web has spec.ports: [{"port":80}] => [{"port":80},{"port":81}], spec.selector: {"app.kubernetes.io/name":"web"} => (none)`,
		},
		"no label": {
			namespace, namespacePath, `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"shop","labels":{"kubernetes.io/metadata.name":"shop"}}}`,
			"Namespace shop has metadata.labels.istio-injection: enabled => (none)",
		},
		"ends": {
			namespace, namespacePath, `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"shop","deletionTimestamp":"2026-11-26T20:00:00Z"}}`,
			"Namespace shop is gone: somebody deleted it",
		},
		"gone": {service, "", "", "Service shop/web is gone: somebody deleted it"},
		"another host": {
			virtualService, splitPath, live(`{"hosts":["web","x.example.com"]}`),
			"VirtualService shop/web has spec.hosts[1]: shop.example.com => x.example.com",
		},
		"a route before the others, which have names": {
			routes, splitPath, live(`{"http":[{"name":"x"},{"name":"first"},{"name":"split","mirror":{"subset":"canary"}}]}`),
			`VirtualService shop/web has spec.http: [{"name":"first"},{"mirror":{"subset":"canary"},"name":"split"}] => [{"name":"x"},{"name":"first"},{"mirror":{"subset":"canary"},"name":"split"}]`,
		},
		"no mirror": {
			routes, splitPath, live(`{"http":[{"name":"first"},{"name":"split"}]}`),
			`VirtualService shop/web has spec.http[1].mirror: {"subset":"canary"} => (none)`,
		},
		"a long value": {
			Object{APIVersion: "v1", Kind: "Service", Namespace: "shop", Name: "web", Fields: map[string]any{"spec": map[string]any{"selector": map[string]any{"a": long()}}}},
			servicePath, live(`{"selector":{"a":"b"}}`), "Service shop/web has spec.selector.a: another value, as kubectl at 2026-11-26 20:15:04 UTC wrote it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := Find(t.Context(), kubetest.API(t, map[string]string{tc.path: tc.live}), []Object{tc.object})
			require.NoError(t, err)
			if tc.want == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Equal(t, tc.want, found[0].String())
		})
	}
}

func long() string {
	text := make([]byte, maxValue+1)
	for i := range text {
		text[i] = 'x'
	}
	return string(text)
}

func TestFindKeepsTheOrder(t *testing.T) {
	t.Parallel()
	object := func(name string) Object {
		return Object{APIVersion: "v1", Kind: "Service", Namespace: "shop", Name: name}
	}
	found, err := Find(t.Context(), kubetest.API(t, map[string]string{"/api/v1/namespaces/shop/services/b": `{"kind":"Service","apiVersion":"v1"}`}),
		[]Object{object("c"), object("b"), object("a")})
	require.NoError(t, err)
	require.Equal(t, "  Service shop/c is gone: somebody deleted it\n  Service shop/a is gone: somebody deleted it", Lines(found))
}

func TestFindWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	const path = "/api/v1/namespaces/shop/services/a"
	forbidden := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"no right"}`))
	}))
	defer forbidden.Close()
	found, err := Find(t.Context(), kubetest.Client(t, forbidden), []Object{{APIVersion: "v1", Kind: "Service", Namespace: "shop", Name: "a"}})
	require.NoError(t, err)
	require.Empty(t, found)

	client := kubetest.API(t, map[string]string{path: `not JSON`})
	_, err = Find(t.Context(), client, []Object{{APIVersion: "v1", Kind: "Service", Namespace: "shop", Name: "a"}})
	require.ErrorContains(t, err, "Service shop/a: ")
}

func TestManyFields(t *testing.T) {
	t.Parallel()
	change := Change{Object: Object{Kind: "Service", Namespace: "shop", Name: "a"}, Fields: []string{"1", "2", "3", "4", "5"}}
	require.Equal(t, "Service shop/a has 1, 2, 3, and 2 more", change.String())
}
