package mesh

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/kubetest"
)

func TestInjectionRepair(t *testing.T) {
	t.Parallel()
	const restart = "`kubectl -n shop rollout restart deployment -l app.kubernetes.io/name=shop`"
	webhook := func(labels string) string { return fmt.Sprintf(`{"metadata":{"name":"w","labels":{%s}}}`, labels) }
	const revision, tag = `"istio.io/rev":"1-31"`, `"istio.io/rev":"1-31","istio.io/tag":"prod"`
	for name, tc := range map[string]struct{ labels, webhooks, want string }{
		"no label": {
			``, webhook(`"istio.io/rev":"default"`),
			"namespace shop needs the label istio-injection=enabled, or istio.io/rev with istioRevision, before its pods are made: `pulumi up --refresh` writes it again, then " + restart,
		},
		"switched off": {
			`"istio-injection":"disabled"`, webhook(`"istio.io/rev":"default"`),
			"namespace shop needs the label istio-injection=enabled, or istio.io/rev with istioRevision, before its pods are made: `pulumi up --refresh` writes it again, then " + restart,
		},
		"labelled too late": {
			`"istio-injection":"enabled"`, webhook(`"istio.io/rev":"default"`),
			"namespace shop asks for one, so this pod was made before that, or while istiod did not answer: " + restart,
		},
		"tag labelled too late": {
			`"istio.io/rev":"prod"`, webhook(revision) + "," + webhook(tag),
			"namespace shop asks for one, so this pod was made before that, or while istiod did not answer: " + restart,
		},
		"only revisions": {
			`"istio-injection":"enabled"`, webhook(revision) + "," + webhook(tag),
			"namespace shop has the label istio-injection=enabled, and no Istio of the cluster answers to it: its revisions are 1-31, prod; `pulumi config set istioRevision 1-31`, then `pulumi up`",
		},
		"another revision": {
			`"istio.io/rev":"1-30"`, webhook(revision),
			"namespace shop has the label istio.io/rev=1-30, and no Istio of the cluster answers to it: its revisions are 1-31; `pulumi config set istioRevision 1-31`, then `pulumi up`",
		},
		"no webhook": {
			`"istio-injection":"enabled"`, ``,
			"the cluster has no webhook of Istio that would inject one: check istiod and its MutatingWebhookConfiguration; then " + restart,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := kubetest.API(t, map[string]string{
				"/api/v1/namespaces/shop": fmt.Sprintf(`{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"shop","labels":{%s}}}`, tc.labels),
				"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations": fmt.Sprintf(`{"kind":"MutatingWebhookConfigurationList","apiVersion":"admissionregistration.k8s.io/v1","items":[%s]}`, tc.webhooks),
			})
			injection, err := FindInjection(t.Context(), client, "shop")
			require.NoError(t, err)
			require.Equal(t, tc.want, injection.Repair("app.kubernetes.io/name=shop", nil))
		})
	}
}

func TestFindInjectionWithoutRights(t *testing.T) {
	t.Parallel()
	_, err := FindInjection(t.Context(), kubetest.API(t, nil), "shop")
	require.ErrorContains(t, err, "namespace shop: ")
	_, err = FindInjection(t.Context(), kubetest.API(t, map[string]string{"/api/v1/namespaces/shop": `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"shop"}}`}), "shop")
	require.ErrorContains(t, err, "list webhooks that inject sidecars: ")
}
