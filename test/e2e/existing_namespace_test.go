//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"canary/internal/kube"
	"canary/test/e2e/harness"
)

// somebodyElses makes a namespace with a ConfigMap and a Deployment of somebody else in it, whose pods get no sidecar, and
// waits until nothing in it changes any more by itself.
func somebodyElses(t *testing.T, c *kube.Client, name string) {
	t.Helper()
	harness.Make(t, c, harness.Namespaces, "", map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{
		"name": name, "labels": map[string]any{"team": "somebody-else"}, "annotations": map[string]any{"example.com/note": "leave me alone"},
	}})
	harness.Make(t, c, harness.ConfigMaps, name, map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "theirs"}, "data": map[string]any{"key": "value"},
	})
	labels := map[string]any{"app": "theirs"}
	harness.Make(t, c, harness.Deployments, name, map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "theirs"},
		"spec": map[string]any{
			"selector": map[string]any{"matchLabels": labels},
			"template": map[string]any{
				"metadata": map[string]any{"labels": labels},
				"spec":     map[string]any{"terminationGracePeriodSeconds": int64(1), "containers": []any{map[string]any{"name": "theirs", "image": harness.ImageGood, "imagePullPolicy": "Never"}}},
			},
		},
	})
	harness.Eventually(t, 2*time.Minute, func(ctx context.Context) error {
		deployments, err := c.Deployments(ctx, name, "")
		if err != nil {
			return err
		}
		if len(deployments) != 1 || deployments[0].Status.AvailableReplicas != 1 || deployments[0].Status.ObservedGeneration != deployments[0].Generation {
			return fmt.Errorf("the Deployment is not available: %+v", deployments)
		}
		// Kubernetes and istiod each write one into every namespace.
		for _, certificates := range []string{"kube-root-ca.crt", "istio-ca-root-cert"} {
			if _, err := harness.Objects(c, harness.ConfigMaps, name).Get(ctx, certificates, metav1.GetOptions{}); err != nil {
				return err
			}
		}
		return nil
	})
}

// requireUnchanged fails the test unless everything of before is there as it was, byte for byte.
func requireUnchanged(t *testing.T, before, now map[string]string) {
	t.Helper()
	for name, object := range before {
		require.Equal(t, object, now[name], name)
	}
}

// elsewhere is where a kubeconfig says that the API server is.
var elsewhere = regexp.MustCompile(`server: \S+`)

// TestExistingNamespace runs the app in a namespace of somebody else, by a ServiceAccount that has the documented rights
// and no other: up, a change of the weight under requests, a roll back, destroy. What was there before stays as it was,
// byte for byte.
func TestExistingNamespace(t *testing.T) {
	p := harness.Shared(t)
	c := p.Client(t)
	const namespace, name = "others", "fourth"
	somebodyElses(t, c, namespace)
	kubeconfig := p.AccountWithRights(t, namespace)
	account, err := kube.New([]byte(kubeconfig), "")
	require.NoError(t, err)
	_, err = harness.Objects(account, harness.Nodes, "").List(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	before := harness.Whole(t, c, namespace)

	guest := p.Guest(t, namespace, "name="+name, "createNamespace=false")
	guest.SetSecret(t, "kubeconfig", kubeconfig)
	a := harness.App{Name: name, Namespace: namespace, Host: name + "." + namespace + ".localhost", Port: p.Port, Client: c}

	out := guest.Up(t)
	require.Contains(t, out, "namespace others has no label that asks for sidecars: the app's pods ask for their own by the label sidecar.istio.io/inject=true, and nothing of the namespace is changed")
	require.Contains(t, out, "the app's pods take plain text beside mTLS: their mode is PERMISSIVE, by Istio's default")
	a.RequireSplit(t, 0)
	requireUnchanged(t, before, harness.Whole(t, c, namespace))
	guest.VerifyNoChanges(t)

	// The weight is changed while requests come in.
	guest.Set(t, "canaryWeight", "50")
	finish := a.Load(t, 50)
	guest.Up(t)
	harness.RequireNoneFailed(t, finish())
	a.RequireSplit(t, 50)

	for _, command := range [][]string{{"requests"}, {"requests", "--from", "mesh"}, {"status"}} {
		asked := guest.AttemptCommand(t, "canary", append(command, "--stack", guest.Stack)...)
		t.Log(asked.All)
		require.Zero(t, asked.Code, "%v: %s", command, asked.All)
	}
	guest.Set(t, "canaryWeight", "0")
	require.Contains(t, guest.Up(t), "taking weight from the canary before anything else")
	a.RequireIngress(t, 0)
	requireUnchanged(t, before, harness.Whole(t, c, namespace))

	// A preview needs no cluster that answers.
	guest.SetSecret(t, "kubeconfig", elsewhere.ReplaceAllString(kubeconfig, "server: https://127.0.0.1:1"))
	preview := guest.Pulumi(t, "preview", "--non-interactive")
	t.Log(preview)
	require.Contains(t, preview, "this preview leaves namespace "+namespace+" out")
	guest.SetSecret(t, "kubeconfig", kubeconfig)
	guest.VerifyNoChanges(t)

	guest.Destroy(t)
	harness.Eventually(t, time.Minute, func(context.Context) error { // the pods end by themselves
		now := harness.Whole(t, c, namespace)
		maps.DeleteFunc(now, func(name, _ string) bool { return before[name] != "" })
		if len(now) > 0 {
			return fmt.Errorf("left of the app: %v", now)
		}
		return nil
	})
	require.Equal(t, before, harness.Whole(t, c, namespace))

	// A stack that is brought up again right after it was destroyed has whole pods.
	guest.Up(t)
	a.RequireIngress(t, 0)
	guest.Destroy(t)
	guest.Up(t)
	a.RequireIngress(t, 0)
	requireUnchanged(t, before, harness.Whole(t, c, namespace))
}

// TestExistingNamespaceIsTold has what is wrong with a namespace of somebody else told before anything is made in it.
func TestExistingNamespaceIsTold(t *testing.T) {
	p := harness.Shared(t)
	c := p.Client(t)
	const namespace, name = "told", "fifth"
	guest := p.Guest(t, namespace, "name="+name, "createNamespace=false")
	guest.SetSecret(t, "kubeconfig", p.Kubeconfig(t))
	refused := func(words string, args ...string) {
		t.Helper()
		failed := guest.Attempt(t, args...)
		t.Logf("exit code %d after %.1f s: %s", failed.Code, failed.Took.Seconds(), failed.All)
		require.NotZero(t, failed.Code)
		require.Contains(t, failed.All, words)
	}
	const missing = "there is no namespace told, and createNamespace is false: make it (`kubectl create namespace told`)"
	refused(missing, harness.UpArgs...)
	refused(missing, "preview", "--non-interactive")

	somebodyElses(t, c, namespace)
	label := func(value string) {
		patch := []byte(`{"metadata":{"labels":{"istio-injection":` + value + `}}}`)
		_, err := harness.Objects(c, harness.Namespaces, "").Patch(t.Context(), namespace, types.MergePatchType, patch, metav1.PatchOptions{})
		require.NoError(t, err)
	}
	label(`"disabled"`)
	before := harness.Whole(t, c, namespace)
	refused("`kubectl label namespace told istio-injection-` to the app's alone", harness.UpArgs...)
	require.Equal(t, before, harness.Whole(t, c, namespace))

	// An object of somebody else with a name of the app's.
	label("null")
	harness.Make(t, c, harness.ConfigMaps, namespace, map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name}, "data": map[string]any{"key": "theirs"},
	})
	before = harness.Whole(t, c, namespace)
	refused("ConfigMap told/fifth is there already, and this stack does not have it", harness.UpArgs...)
	requireUnchanged(t, before, harness.Whole(t, c, namespace))
	guest.Destroy(t)
	harness.Eventually(t, time.Minute, func(context.Context) error { // the app's pods drain
		if diff := cmp.Diff(before, harness.Whole(t, c, namespace)); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
}

// TestLetGoOfNamespace has a stack give up the namespace that it made: it stays, with what somebody else put into it, also
// after destroy, and is not taken back.
func TestLetGoOfNamespace(t *testing.T) {
	harness.Long(t)
	p := harness.Shared(t)
	c := p.Client(t)
	guest := p.Guest(t, "sixth")
	guest.SetSecret(t, "kubeconfig", p.Kubeconfig(t))
	a := harness.App{Name: "sixth", Namespace: "sixth", Host: "sixth.sixth.localhost", Port: p.Port, Client: c}
	guest.Up(t)
	t.Cleanup(func() {
		_ = harness.Objects(c, harness.Namespaces, "").Delete(context.Background(), "sixth", metav1.DeleteOptions{})
	})
	harness.Make(t, c, harness.ConfigMaps, "sixth", map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "theirs"}, "data": map[string]any{"key": "value"},
	})
	theirs := func() map[string]string {
		whole := harness.Whole(t, c, "sixth")
		return map[string]string{"namespaces/sixth": whole["namespaces/sixth"], "configmaps/theirs": whole["configmaps/theirs"]}
	}
	before := theirs()

	guest.Set(t, "createNamespace", "false")
	guest.Up(t)
	require.Equal(t, before, theirs())
	policies, err := harness.Objects(c, harness.PeerAuthentications, "sixth").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Empty(t, policies.Items)
	a.RequireSplit(t, 0)
	guest.VerifyNoChanges(t)

	guest.Set(t, "createNamespace", "true")
	refused := guest.Attempt(t, harness.UpArgs...)
	require.NotZero(t, refused.Code)
	require.Contains(t, refused.All, "Namespace sixth is there already, and this stack does not have it")
	require.Equal(t, before, theirs())
	a.RequireIngress(t, 0)

	guest.Set(t, "createNamespace", "false")
	guest.Up(t)
	guest.Destroy(t)
	require.Equal(t, before, theirs())
}
