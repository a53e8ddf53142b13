//go:build e2e

package harness

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"canary/internal/kube"
)

// More kinds that tests look at and change.
var (
	serviceAccounts     = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
	clusterRoles        = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"}
	clusterRoleBindings = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"}
	roleBindings        = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"}
)

// Make makes an object until the test is over.
func Make(t *testing.T, c *kube.Client, kind schema.GroupVersionResource, namespace string, object map[string]any) {
	t.Helper()
	made, err := Objects(c, kind, namespace).Create(t.Context(), &unstructured.Unstructured{Object: object}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { // the test's own context is over
		_ = Objects(c, kind, namespace).Delete(context.Background(), made.GetName(), metav1.DeleteOptions{})
	})
}

// AccountWithRights is the kubeconfig of a ServiceAccount in a namespace that has the rights of docs/rights.yaml and no
// other, as the documentation says to give them.
func (p *Project) AccountWithRights(t *testing.T, namespace string) string {
	t.Helper()
	const account, rbac = "canary", "rbac.authorization.k8s.io"
	c := p.Client(t)
	Make(t, c, serviceAccounts, namespace, map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": account}})
	rights, err := os.ReadFile(filepath.Join(p.Dir, "docs", "rights.yaml"))
	require.NoError(t, err)
	for document := range strings.SplitSeq(string(rights), "\n---\n") {
		role := map[string]any{}
		require.NoError(t, yaml.Unmarshal([]byte(document), &role))
		Make(t, c, clusterRoles, "", role)
	}
	bind := func(kind, role string) map[string]any {
		return map[string]any{
			"apiVersion": rbac + "/v1", "kind": kind, "metadata": map[string]any{"name": role},
			"roleRef":  map[string]any{"apiGroup": rbac, "kind": "ClusterRole", "name": role},
			"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": account, "namespace": namespace}},
		}
	}
	Make(t, c, clusterRoleBindings, "", bind("ClusterRoleBinding", "canary-mesh"))
	Make(t, c, roleBindings, namespace, bind("RoleBinding", "canary-app"))
	return p.kubeconfigWithToken(t, namespace, account)
}

func (p *Project) kubeconfigWithToken(t *testing.T, namespace, account string) string {
	t.Helper()
	answer, err := Objects(p.Client(t), serviceAccounts, namespace).Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": map[string]any{"name": account},
		"spec": map[string]any{"expirationSeconds": int64(7200)},
	}}, metav1.CreateOptions{}, "token")
	require.NoError(t, err)
	token, _, err := unstructured.NestedString(answer.Object, "status", "token")
	require.NoError(t, err)
	require.NotEmpty(t, token)

	config, err := clientcmd.Load([]byte(p.Kubeconfig(t)))
	require.NoError(t, err)
	config.AuthInfos = map[string]*api.AuthInfo{account: {Token: token}}
	config.Contexts[config.CurrentContext].AuthInfo = account
	text, err := clientcmd.Write(*config)
	require.NoError(t, err)
	return string(text)
}

// Whole is every object of some kinds in a namespace, and the namespace itself, as JSON: by kind and name.
func Whole(t *testing.T, c *kube.Client, namespace string) map[string]string {
	t.Helper()
	found := map[string]string{}
	add := func(kind string, object unstructured.Unstructured) {
		text, err := json.Marshal(object.Object)
		require.NoError(t, err)
		found[kind+"/"+object.GetName()] = string(text)
	}
	own, err := Objects(c, Namespaces, "").Get(t.Context(), namespace, metav1.GetOptions{})
	require.NoError(t, err)
	add("namespaces", *own)
	for _, kind := range []schema.GroupVersionResource{
		ConfigMaps, Services, PodResource, Deployments, serviceAccounts, roleBindings, LimitRanges,
		VirtualServices, Gateways, DestinationRules, PeerAuthentications,
		SecretResource, {Group: "apps", Version: "v1", Resource: "replicasets"},
		{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
		{Group: "networking.istio.io", Version: "v1", Resource: "sidecars"}, {Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
	} {
		list, err := Objects(c, kind, namespace).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		for _, object := range list.Items {
			add(kind.Resource, object)
		}
	}
	return found
}
