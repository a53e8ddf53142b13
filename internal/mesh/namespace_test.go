package mesh

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/labels"

	"canary/internal/kubetest"
	"canary/internal/release"
)

// The webhooks of Istio's chart istiod, as far as they select.
const (
	defaultWebhooks = `{"metadata":{"name":"d","labels":{"istio.io/rev":"default"}},"webhooks":[` +
		`{"namespaceSelector":{"matchExpressions":[{"key":"istio-injection","operator":"In","values":["enabled"]}]},` +
		`"objectSelector":{"matchExpressions":[{"key":"sidecar.istio.io/inject","operator":"NotIn","values":["false"]}]}},` +
		`{"namespaceSelector":{"matchExpressions":[{"key":"istio-injection","operator":"DoesNotExist"},{"key":"istio.io/rev","operator":"DoesNotExist"}]},` +
		`"objectSelector":{"matchExpressions":[{"key":"sidecar.istio.io/inject","operator":"In","values":["true"]},{"key":"istio.io/rev","operator":"DoesNotExist"}]}}]}`
	revisionWebhooks = `{"metadata":{"name":"r","labels":{"istio.io/rev":"1-31"}},"webhooks":[` +
		`{"namespaceSelector":{"matchExpressions":[{"key":"istio.io/rev","operator":"In","values":["1-31"]},{"key":"istio-injection","operator":"DoesNotExist"}]},` +
		`"objectSelector":{"matchExpressions":[{"key":"sidecar.istio.io/inject","operator":"NotIn","values":["false"]}]}},` +
		`{"namespaceSelector":{"matchExpressions":[{"key":"istio.io/rev","operator":"DoesNotExist"},{"key":"istio-injection","operator":"DoesNotExist"}]},` +
		`"objectSelector":{"matchExpressions":[{"key":"sidecar.istio.io/inject","operator":"NotIn","values":["false"]},{"key":"istio.io/rev","operator":"In","values":["1-31"]}]}}]}`
	leavesOut = `{"metadata":{"name":"o","labels":{"istio.io/rev":"default"}},"webhooks":[` +
		`{"namespaceSelector":{"matchLabels":{"team":"ours"}},"objectSelector":{}}]}`
)

const (
	strictPolicy  = `{"metadata":{"name":"default","namespace":"store"},"spec":{"mtls":{"mode":"STRICT"}}}`
	noNamespace   = "there is no namespace store, and createNamespace is false: make it (`kubectl create namespace store`), or let the stack make it, and destroy it, with `pulumi config set createNamespace true`"
	asksForItsOwn = "namespace store has no label that asks for sidecars: the app's pods ask for their own by the label sidecar.istio.io/inject=true, and nothing of the namespace is changed"
)

// others is a cluster with a namespace store of somebody else; a list that is "" may not
// be read.
func others(namespace, webhooks, policies string) map[string]string {
	list := func(kind, version, items string) string {
		return fmt.Sprintf(`{"kind":"%sList","apiVersion":"%s","items":[%s]}`, kind, version, items)
	}
	objects := map[string]string{}
	if namespace != "" {
		objects["/api/v1/namespaces/store"] = `{"kind":"Namespace","apiVersion":"v1","metadata":` + namespace + `}`
	}
	objects["/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"] = list("MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1", webhooks)
	objects["/apis/security.istio.io/v1/namespaces/store/peerauthentications"] = list("PeerAuthentication", "security.istio.io/v1", policies)
	objects["/apis/security.istio.io/v1/namespaces/istio-system/peerauthentications"] = list("PeerAuthentication", "security.istio.io/v1", "")
	return objects
}

func labelled(pairs string) string { return `{"name":"store","labels":{` + pairs + `}}` }

func TestCheckNamespace(t *testing.T) {
	t.Parallel()
	asking := labels.Set{release.LabelName: "shop", LabelInject: "true"}
	ofRevision := labels.Set{release.LabelName: "shop", LabelInject: "true", LabelRevision: "1-31"}
	const (
		ok       = ""
		noPod    = "the app's pods would get no sidecar: "
		disabled = `"istio-injection":"disabled"`
	)
	for name, tc := range map[string]struct {
		namespace, webhooks string
		pod                 labels.Set
		info, err           string
	}{
		"injects":                    {labelled(`"istio-injection":"enabled"`), defaultWebhooks, asking, "", ok},
		"injects by a revision":      {labelled(`"istio.io/rev":"1-31"`), revisionWebhooks, asking, "", ok},
		"no label":                   {labelled(``), defaultWebhooks, asking, asksForItsOwn, ok},
		"no label, a revision":       {labelled(``), defaultWebhooks + "," + revisionWebhooks, ofRevision, asksForItsOwn, ok},
		"none":                       {"", defaultWebhooks, asking, "", noNamespace},
		"going":                      {`{"name":"store","deletionTimestamp":"2026-11-26T20:15:04Z"}`, defaultWebhooks, asking, "", "namespace store is being deleted, so that nothing can be made in it: type `pulumi up` again when it is there anew"},
		"no Istio":                   {labelled(``), "", asking, "", noPod + noWebhook},
		"left out by the selectors":  {labelled(``), leavesOut, asking, "", noPod + "namespace store is left out by the selectors of Istio's webhooks: check them with `kubectl get mutatingwebhookconfigurations -l app=sidecar-injector -o yaml`"},
		"only revisions":             {labelled(``), revisionWebhooks, asking, "", noPod + "they ask for one of the revision default, and no Istio of the cluster answers to it: its revisions are 1-31; `pulumi config set istioRevision 1-31`, then `pulumi up`"},
		"switched off":               {labelled(disabled), defaultWebhooks, asking, "", noPod + "namespace store has the label istio-injection=disabled, and so no Istio of the cluster (its revisions are default) gives its pods one: `kubectl label --overwrite namespace store istio-injection=enabled` gives one to each new pod in it, `kubectl label namespace store istio-injection-` to the app's alone"},
		"switched off, a revision":   {labelled(disabled), revisionWebhooks, ofRevision, "", noPod + "namespace store has the label istio-injection=disabled, and so no Istio of the cluster (its revisions are 1-31) gives its pods one: `kubectl label --overwrite namespace store istio-injection- istio.io/rev=1-31` gives one to each new pod in it, `kubectl label namespace store istio-injection-` to the app's alone"},
		"asks for the default alone": {labelled(`"istio-injection":"enabled"`), revisionWebhooks, asking, "", noPod + "namespace store has the label istio-injection=enabled, and so no Istio of the cluster (its revisions are 1-31) gives its pods one: `kubectl label --overwrite namespace store istio-injection- istio.io/rev=1-31` gives one to each new pod in it, `kubectl label namespace store istio-injection-` after `pulumi config set istioRevision 1-31` to the app's alone"},
		"another revision":           {labelled(`"istio.io/rev":"1-30"`), defaultWebhooks, asking, "", noPod + "namespace store has the label istio.io/rev=1-30, and so no Istio of the cluster (its revisions are default) gives its pods one: `kubectl label --overwrite namespace store istio.io/rev- istio-injection=enabled` gives one to each new pod in it, `kubectl label namespace store istio.io/rev-` to the app's alone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := kubetest.API(t, others(tc.namespace, tc.webhooks, strictPolicy))
			notes, err := CheckNamespace(t.Context(), client, release.App{Namespace: "store", Name: "shop"}, tc.pod)
			if tc.err != "" {
				require.EqualError(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, Notes{Info: tc.info}, notes)
		})
	}
}

// Without the right to list webhooks and policies, the pods tell when they are there.
func TestCheckNamespaceWithoutRights(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/api/v1/namespaces/store" {
			_, _ = w.Write([]byte(`{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"store"}}`))
			return
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403}`))
	}))
	t.Cleanup(server.Close)
	notes, err := CheckNamespace(t.Context(), kubetest.Client(t, server), release.App{Namespace: "store", Name: "shop"}, nil)
	require.NoError(t, err)
	require.Empty(t, notes)
}

// What its pods cannot have, a pod that asks by itself is told, and what gives it to them.
func TestRepairOfOthersNamespace(t *testing.T) {
	t.Parallel()
	const restart = "`kubectl -n store rollout restart deployment -l app.kubernetes.io/name=shop`"
	for namespace, want := range map[string]string{
		labelled(``): "it asks for one, and would get it now: it was made while istiod did not answer, or the namespace had other labels: " + restart,
		labelled(`"istio-injection":"disabled"`): "namespace store has the label istio-injection=disabled, and so no Istio of the cluster (its revisions are default) gives its pods one: " +
			"`kubectl label --overwrite namespace store istio-injection=enabled` gives one to each new pod in it, `kubectl label namespace store istio-injection-` to the app's alone; then " + restart,
	} {
		injection, err := FindInjection(t.Context(), kubetest.API(t, others(namespace, defaultWebhooks, "")), "store")
		require.NoError(t, err)
		require.Equal(t, want, injection.Repair("app.kubernetes.io/name=shop", labels.Set{LabelInject: "true"}))
	}
}
