package mesh

import (
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/kubetest"
)

func TestFindIstio(t *testing.T) {
	t.Parallel()
	const (
		namespacePath   = "/api/v1/namespaces/istio-system"
		deploymentsPath = "/apis/apps/v1/deployments"
		webhooksPath    = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"

		noDeployments = `{"kind":"DeploymentList","apiVersion":"apps/v1","items":[]}`
		noWebhooks    = `{"kind":"MutatingWebhookConfigurationList","apiVersion":"admissionregistration.k8s.io/v1","items":[]}`
	)
	for name, tc := range map[string]struct {
		objects map[string]string
		want    InstalledIstio
		err     string
	}{
		"none": {map[string]string{deploymentsPath: noDeployments, webhooksPath: noWebhooks}, InstalledIstio{}, ""},
		"the namespace alone": {
			map[string]string{
				deploymentsPath: noDeployments, webhooksPath: noWebhooks,
				namespacePath: `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"istio-system"}}`,
			},
			InstalledIstio{Namespace: true}, "",
		},
		"two revisions in another namespace": {
			map[string]string{
				deploymentsPath: `{"kind":"DeploymentList","apiVersion":"apps/v1","items":[` +
					`{"metadata":{"namespace":"mesh","name":"istiod-two"}},{"metadata":{"namespace":"mesh","name":"istiod-one"}}]}`,
				webhooksPath: `{"kind":"MutatingWebhookConfigurationList","apiVersion":"admissionregistration.k8s.io/v1","items":[` +
					`{"kind":"MutatingWebhookConfiguration","apiVersion":"admissionregistration.k8s.io/v1","metadata":{"name":"istio-sidecar-injector"}}]}`,
			},
			InstalledIstio{Istiods: []string{"mesh/istiod-one", "mesh/istiod-two"}, Injectors: []string{"istio-sidecar-injector"}}, "",
		},
		"what cannot be read is not none": {map[string]string{webhooksPath: noWebhooks}, InstalledIstio{}, "list deployments of all namespaces"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := FindIstio(t.Context(), kubetest.API(t, tc.objects))
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}
