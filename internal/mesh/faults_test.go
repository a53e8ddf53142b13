package mesh

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/kubetest"
	"canary/internal/release"
)

// The paths at which Faults looks.
const (
	namespacePath   = "/api/v1/namespaces/shop"
	webhooksPath    = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
	appPath         = "/apis/apps/v1/namespaces/shop/deployments"
	deploymentsPath = "/apis/apps/v1/deployments"
	istiodPath      = "/apis/apps/v1/namespaces/istio-system/deployments"
	servicesPath    = "/api/v1/namespaces/istio-system/services"
	podsPath        = "/api/v1/namespaces/istio-system/pods"
	appGatewayPath  = "/apis/networking.istio.io/v1/namespaces/shop/gateways/web"
)

func listOf(kind, version string, items ...string) string {
	return fmt.Sprintf(`{"kind":"%sList","apiVersion":"%s","items":[%s]}`, kind, version, strings.Join(items, ","))
}

// deployments are a list of one of istio-system, of which so many pods are wanted and ready.
func deployments(name, podLabels string, wanted, ready int) string {
	return listOf("Deployment", "apps/v1", fmt.Sprintf(`{"metadata":{"namespace":"istio-system","name":%q},"spec":{"replicas":%d,"template":{"metadata":{"labels":{%s}}}},"status":{"readyReplicas":%d}}`,
		name, wanted, podLabels, ready))
}

func pods(status string) string {
	return listOf("Pod", "v1", fmt.Sprintf(`{"metadata":{"namespace":"istio-system","name":"istiod-1"},"status":{"conditions":[{"type":"Ready","status":%q}]}}`, status))
}

// injector is a MutatingWebhookConfiguration with the webhooks of Istio's chart as far as
// the app's namespace matters, and with more in each.
func injector(more string) string {
	return listOf("MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1", `{"metadata":{"name":"istio-sidecar-injector","labels":{"istio.io/rev":"default"}},"webhooks":[`+
		`{"name":"rev.namespace.sidecar-injector.istio.io","namespaceSelector":{"matchExpressions":[{"key":"istio.io/rev","operator":"In","values":["default"]},{"key":"istio-injection","operator":"DoesNotExist"}]},`+more+`},`+
		`{"name":"namespace.sidecar-injector.istio.io","namespaceSelector":{"matchExpressions":[{"key":"istio-injection","operator":"In","values":["enabled"]}]},`+
		`"objectSelector":{"matchExpressions":[{"key":"sidecar.istio.io/inject","operator":"NotIn","values":["false"]}]},`+more+`}]}`)
}

func namespaced(labels string) string {
	return fmt.Sprintf(`{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"shop","labels":{%s}}}`, labels)
}

const (
	istiodLabels = `"app":"istiod","istio":"pilot"`
	asked        = `"clientConfig":{"service":{"namespace":"istio-system","name":"istiod"},"caBundle":"Q0E="}`
	istiodURN    = "urn:pulumi:dev::canary::canary:istio:Istio$kubernetes:helm.sh/v3:Release::istiod"
	ingressURN   = "urn:pulumi:dev::canary::canary:istio:Istio$kubernetes:helm.sh/v3:Release::istio-ingressgateway"
)

// well is a cluster with the app and an Istio that works.
func well() map[string]string {
	return map[string]string{
		namespacePath:   namespaced(`"istio-injection":"enabled","kubernetes.io/metadata.name":"shop"`),
		webhooksPath:    injector(asked),
		appPath:         listOf("Deployment", "apps/v1", `{"metadata":{"name":"web"},"spec":{"template":{"metadata":{"labels":{"app.kubernetes.io/name":"web"}}}}}`),
		deploymentsPath: deployments("istio-ingressgateway", `"istio":"ingressgateway"`, 2, 2),
		istiodPath:      deployments("istiod", istiodLabels, 1, 1),
		servicesPath:    listOf("Service", "v1", `{"metadata":{"name":"istiod"},"spec":{"selector":{`+istiodLabels+`}}}`),
		podsPath:        pods("True"),
		appGatewayPath:  `{"kind":"Gateway","apiVersion":"networking.istio.io/v1","metadata":{"name":"web"},"spec":{"selector":{"istio":"ingressgateway"}}}`,
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	const (
		noSidecar = "new pods of namespace shop get no sidecar: "
		noPod     = "no pod can be made in namespace shop"
		noSplit   = "the split cannot be changed: "
		istiodOff = "Deployment istio-system/istiod wants 0 pods: `kubectl -n istio-system scale deployment istiod --replicas=1` brings them back"
	)
	own := Releases{ReleaseIstiod: istiodURN, ReleaseIngress: ingressURN}
	for name, tc := range map[string]struct {
		releases Releases
		change   map[string]string // by path; "" is not there
		want     []string
	}{
		"well": {releases: own},
		"webhook gone": {
			own, map[string]string{webhooksPath: listOf("MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1")},
			[]string{noSidecar + "MutatingWebhookConfiguration istio-sidecar-injector is gone: `pulumi up --replace '" + istiodURN + "'` makes it anew"},
		},
		"webhook of somebody else's Istio gone": {
			nil, map[string]string{
				webhooksPath:  listOf("MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1"),
				namespacePath: namespaced(`"istio.io/rev":"prod"`),
			},
			[]string{noSidecar + "every MutatingWebhookConfiguration of Istio (label app=sidecar-injector) is gone: install Istio once more as it was installed (`helm upgrade` of its chart, or `istioctl install`)"},
		},
		"webhook gone and istiod off": {
			own, map[string]string{
				webhooksPath:    listOf("MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1"),
				appGatewayPath:  "",
				deploymentsPath: deployments("istiod", istiodLabels, 0, 0),
			},
			[]string{
				noSidecar + "MutatingWebhookConfiguration istio-sidecar-injector is gone: `pulumi up --replace '" + istiodURN + "'` makes it anew",
				noSplit + istiodOff,
			},
		},
		"webhook gone and istiod not ready": {
			own, map[string]string{
				webhooksPath:    listOf("MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1"),
				appGatewayPath:  "",
				deploymentsPath: deployments("istiod", istiodLabels, 1, 0),
			},
			[]string{
				noSidecar + "MutatingWebhookConfiguration istio-sidecar-injector is gone: `pulumi up --replace '" + istiodURN + "'` makes it anew",
				noSplit + "Deployment istio-system/istiod has no ready pod: `kubectl -n istio-system describe pods -l app=istiod` says why",
			},
		},
		"selects nothing of the namespace": {
			own, map[string]string{webhooksPath: listOf("MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1",
				`{"metadata":{"name":"istio-sidecar-injector","labels":{"istio.io/rev":"default"}},"webhooks":[{"namespaceSelector":{"matchLabels":{"team":"ours"}},`+asked+`}]}`)},
			[]string{noSidecar + "namespace shop is left out by the selectors of Istio's webhooks: check them with `kubectl get mutatingwebhookconfigurations -l app=sidecar-injector -o yaml`"},
		},
		"label gone": {
			own, map[string]string{namespacePath: namespaced("")},
			[]string{noSidecar + "namespace shop needs the label istio-injection=enabled, or istio.io/rev with istioRevision, before its pods are made: `pulumi up --refresh` writes it again"},
		},
		"another revision": {
			own, map[string]string{namespacePath: namespaced(`"istio.io/rev":"1-30"`)},
			[]string{noSidecar + "namespace shop has the label istio.io/rev=1-30, and no Istio of the cluster answers to it: its revisions are default; `pulumi config set istioRevision default`, then `pulumi up`"},
		},
		"somebody else's namespace": {
			nil, map[string]string{
				namespacePath: namespaced(`"istio-injection":"disabled"`),
				appPath:       listOf("Deployment", "apps/v1", `{"spec":{"template":{"metadata":{"labels":{"sidecar.istio.io/inject":"true"}}}}}`),
			},
			[]string{noSidecar + "namespace shop has the label istio-injection=disabled, and so no Istio of the cluster (its revisions are default) gives its pods one: " +
				"`kubectl label --overwrite namespace shop istio-injection=enabled` gives one to each new pod in it, `kubectl label namespace shop istio-injection-` to the app's alone"},
		},
		"no caBundle": {
			own, map[string]string{webhooksPath: injector(`"failurePolicy":"Fail","clientConfig":{"service":{"namespace":"istio-system","name":"istiod"}}`)},
			[]string{noPod + ": MutatingWebhookConfiguration istio-sidecar-injector has no caBundle, so that the API server does not trust Service istio-system/istiod; " +
				"istiod writes it when it starts: `kubectl -n istio-system rollout restart deployment -l app=istiod`"},
		},
		"asked by its URL": {own, map[string]string{webhooksPath: injector(`"clientConfig":{"url":"https://istiod.test/inject"}`), servicesPath: listOf("Service", "v1")}, nil},
		"addresses of somebody else": {
			nil, map[string]string{servicesPath: listOf("Service", "v1", `{"metadata":{"name":"istiod"},"spec":{}}`), podsPath: listOf("Pod", "v1")}, nil,
		},
		"Service gone": {
			own, map[string]string{servicesPath: listOf("Service", "v1")},
			[]string{noPod + ", and " + noSplit + "Service istio-system/istiod is gone: `pulumi up --replace '" + istiodURN + "'` makes it anew"},
		},
		"istiod off": {
			own, map[string]string{podsPath: listOf("Pod", "v1"), istiodPath: deployments("istiod", istiodLabels, 0, 0)},
			[]string{noPod + ", and " + noSplit + istiodOff},
		},
		"istiod off, failures ignored": {
			own, map[string]string{
				webhooksPath: injector(`"failurePolicy":"Ignore",` + asked),
				podsPath:     listOf("Pod", "v1"), istiodPath: deployments("istiod", istiodLabels, 0, 0),
			},
			[]string{"new pods of namespace shop get no sidecar, and " + noSplit + istiodOff},
		},
		"istiod not ready": {
			own, map[string]string{podsPath: pods("False")},
			[]string{noPod + ", and " + noSplit + "Service istio-system/istiod has no ready pod: `kubectl -n istio-system describe pods -l app=istiod,istio=pilot` says why"},
		},
		"istiod ending": {
			own, map[string]string{podsPath: strings.Replace(pods("True"), `"name"`, `"deletionTimestamp":"2026-11-26T20:15:04Z","name"`, 1)},
			[]string{noPod + ", and " + noSplit + "Service istio-system/istiod has no ready pod: `kubectl -n istio-system describe pods -l app=istiod,istio=pilot` says why"},
		},
		"istiod gone": {
			own, map[string]string{podsPath: listOf("Pod", "v1"), istiodPath: deployments("other", `"app":"other"`, 1, 1)},
			[]string{noPod + ", and " + noSplit + "no Deployment has pods for Service istio-system/istiod: `pulumi up --replace '" + istiodURN + "'` makes it anew"},
		},
		"gateway off": {
			own, map[string]string{deploymentsPath: deployments("istio-ingressgateway", `"istio":"ingressgateway"`, 0, 0)},
			[]string{"Deployment istio-system/istio-ingressgateway wants 0 pods: `kubectl -n istio-system scale deployment istio-ingressgateway --replicas=2` brings them back"},
		},
		"gateway gone": {
			own, map[string]string{deploymentsPath: listOf("Deployment", "apps/v1")},
			[]string{"Deployment istio-system/istio-ingressgateway is gone: `pulumi up --replace '" + ingressURN + "'` makes it anew"},
		},
		"gateway of somebody else's is no Deployment": {nil, map[string]string{deploymentsPath: listOf("Deployment", "apps/v1")}, nil},
		"all of the app gone":                         {own, map[string]string{namespacePath: "", appGatewayPath: ""}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects := well()
			maps.Copy(objects, tc.change)
			maps.DeleteFunc(objects, func(_, object string) bool { return object == "" })
			got, err := Faults(t.Context(), kubetest.API(t, objects), release.App{Namespace: "shop", Name: "web"}, tc.releases)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

// What may not be read is left out; a cluster that does not answer is an error.
func TestFaultsWithoutRights(t *testing.T) {
	t.Parallel()
	for code, reason := range map[int]string{http.StatusForbidden: "Forbidden", http.StatusInternalServerError: "InternalError"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d}`, reason, code)
		}))
		t.Cleanup(server.Close)
		got, err := Faults(t.Context(), kubetest.Client(t, server), release.App{Namespace: "shop", Name: "web"}, nil)
		require.Empty(t, got)
		require.Equal(t, code == http.StatusForbidden, err == nil, "%v", err)
	}
}
