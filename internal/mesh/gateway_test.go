package mesh

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canary/internal/kubetest"
	"canary/internal/release"
)

func TestCheckGateway(t *testing.T) {
	t.Parallel()
	pod := func(namespace, value string, containers ...string) corev1.Pod {
		p := corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Labels: map[string]string{"istio": value}},
			Status:     corev1.PodStatus{Phase: corev1.PodRunning},
		}
		for _, name := range containers {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: name})
		}
		return p
	}
	ended := pod("istio-system", "ingressgateway", "istio-proxy")
	ended.Status.Phase = corev1.PodSucceeded
	const none = "no running pod has the label istio=ingressgateway, so there is no ingress gateway to route through: "
	for name, tc := range map[string]struct {
		pods []corev1.Pod
		want string
	}{
		"there":    {[]corev1.Pod{pod("a", "ingress", "istio-proxy"), pod("b", "ingressgateway", "istio-proxy")}, ""},
		"no Istio": {nil, none + "install one with Istio's chart gateway (release name istio-ingressgateway), or let the stack install Istio with `pulumi config rm istioInstall` if the cluster has none"},
		"istiod and an app alone": {
			[]corev1.Pod{pod("istio-system", "pilot", "discovery"), pod("shop", "ingressgateway", "app", "istio-proxy"), ended},
			none + "install one with Istio's chart gateway (release name istio-ingressgateway), or let the stack install Istio with `pulumi config rm istioInstall` if the cluster has none",
		},
		"under another label": {
			[]corev1.Pod{pod("istio-ingress", "ingress", "istio-proxy"), pod("istio-ingress", "ingress", "istio-proxy")},
			none + "there is a gateway with the label istio=ingress in namespace istio-ingress; if that is the one, type `pulumi config set istioGateway ingress`",
		},
		"several": {
			[]corev1.Pod{pod("b", "egressgateway", "istio-proxy"), pod("a", "ingress", "istio-proxy")},
			none + "there are gateways with the labels istio=egressgateway in namespace b, istio=ingress in namespace a; choose one of them with `pulumi config set istioGateway VALUE`",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := checkGateway(tc.pods, "ingressgateway")
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tc.want)
		})
	}
}

func TestFindIngress(t *testing.T) {
	t.Parallel()
	const (
		gatewayPath = "/apis/networking.istio.io/v1/namespaces/store/gateways/shop"
		podsPath    = "/api/v1/pods"
		servicePath = "/api/v1/namespaces/edge/services"

		gateway = `{"kind":"Gateway","apiVersion":"networking.istio.io/v1","metadata":{"name":"shop"},"spec":{"selector":{"istio":"ingress"}}}`
		ready   = `{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}`
	)
	pods := func(status string) string {
		return `{"kind":"PodList","apiVersion":"v1","items":[` +
			`{"metadata":{"namespace":"edge","name":"starting","labels":{"istio":"ingress"}},"status":{"phase":"Pending"}},` +
			`{"metadata":{"namespace":"edge","name":"gate","labels":{"istio":"ingress","app":"gate"}},` +
			`"spec":{"containers":[{"name":"istio-proxy","ports":[{"name":"web","containerPort":8081}]}]},"status":` + status + `}]}`
	}
	services := func(ports string) string {
		return `{"kind":"ServiceList","apiVersion":"v1","items":[` +
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"other"},"spec":{"selector":{"app":"other"},"ports":[{"port":80,"targetPort":1}]}},` +
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"gate"},"spec":{"selector":{"app":"gate"},"ports":` + ports + `}}]}`
	}
	for name, tc := range map[string]struct {
		objects map[string]string
		want    Ingress
		err     string
	}{
		"by number": {
			map[string]string{gatewayPath: gateway, podsPath: pods(ready), servicePath: services(`[{"port":443,"targetPort":8443},{"port":80,"targetPort":8080}]`)},
			Ingress{"edge", "gate", 8080}, "",
		},
		"by name": {
			map[string]string{gatewayPath: gateway, podsPath: pods(ready), servicePath: services(`[{"port":80,"targetPort":"web"}]`)},
			Ingress{"edge", "gate", 8081}, "",
		},
		"the same": {
			map[string]string{gatewayPath: gateway, podsPath: pods(ready), servicePath: services(`[{"port":80}]`)},
			Ingress{"edge", "gate", 80}, "",
		},
		"no such port": {
			map[string]string{gatewayPath: gateway, podsPath: pods(ready), servicePath: services(`[{"port":443}]`)},
			Ingress{}, "no Service in namespace edge leads from port 80 to the gateway's pod gate",
		},
		"no ready pod": {
			map[string]string{gatewayPath: gateway, podsPath: pods(`{"phase":"Running"}`)},
			Ingress{}, "no ready pod has the labels istio=ingress of Gateway store/shop: check the ingress gateway's pods",
		},
		"no Gateway": {nil, Ingress{}, "Gateway store/shop: not found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := FindIngress(t.Context(), kubetest.API(t, tc.objects), release.App{Namespace: "store", Name: "shop"})
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}
