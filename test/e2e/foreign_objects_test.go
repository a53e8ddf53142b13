//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"canary/internal/kube"
	"canary/test/e2e/harness"
)

var sidecars = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "sidecars"}

// foreign makes an object of Istio as somebody else would, until remove is called.
func foreign(t *testing.T, c *kube.Client, kind schema.GroupVersionResource, kindName, namespace, name string, spec map[string]any) (remove func()) {
	t.Helper()
	of, removed := harness.Objects(c, kind, namespace), false
	_, err := of.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": kind.GroupVersion().String(), "kind": kindName, "metadata": map[string]any{"name": name}, "spec": spec,
	}}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		if !removed { // the test's own context is over
			_ = of.Delete(context.Background(), name, metav1.DeleteOptions{})
		}
	})
	return func() {
		t.Helper()
		removed = true
		require.NoError(t, of.Delete(t.Context(), name, metav1.DeleteOptions{}))
	}
}

// requireNamed expects both `up` and `status` to fail with the words that name an object, and removes it: then both are well.
func requireNamed(t *testing.T, p *harness.Project, remove func(), words string, args ...string) {
	t.Helper()
	failed := p.Attempt(t, append(harness.UpArgs, args...)...)
	status := p.AttemptCommand(t, "canary", "status", "--stack", p.Stack)
	remove()
	t.Logf("up: exit code %d after %.1f s: %s", failed.Code, failed.Took.Seconds(), failed.All)
	t.Logf("status: exit code %d: %s", status.Code, status.All)
	require.NotZero(t, failed.Code)
	require.Contains(t, failed.All, words)
	require.Equal(t, 1, status.Code)
	require.Contains(t, status.All, "differs: "+words)
	p.Up(t)
}

// TestForeignDestinationRule puts a DestinationRule without subsets in place of the app's: in the app's own namespace for
// everybody, and in Istio's for the gateways.
func TestForeignDestinationRule(t *testing.T) {
	p := harness.Shared(t)
	p.RestoreAfter(t)
	a := p.Example(t)
	p.Set(t, "canaryWeight", "50")
	p.Up(t)
	for namespace, exportTo := range map[string]string{a.Namespace: "*", "istio-system": "."} {
		t.Run(namespace, func(t *testing.T) {
			if namespace == a.Namespace {
				harness.Long(t)
			}
			remove := foreign(t, a.Client, harness.DestinationRules, "DestinationRule", namespace, "other", map[string]any{
				"host": "app-example.app-example.svc.cluster.local", "exportTo": []any{exportTo},
			})
			requireNamed(t, p, remove, "DestinationRule "+namespace+"/other stands in place of the app's and has no subset stable or canary: "+
				"add what is missing, or remove it")
			a.RequireSplit(t, 50)
		})
	}

	// Where stable is there alone, the canary gains nothing, and no request fails.
	p.Set(t, "canaryWeight", "0")
	p.Up(t)
	remove := foreign(t, a.Client, harness.DestinationRules, "DestinationRule", a.Namespace, "other", map[string]any{
		"host": a.Name, "exportTo": []any{"*"},
		"subsets": []any{map[string]any{"name": "stable", "labels": map[string]any{"app.kubernetes.io/subset": "stable"}}},
	})
	p.Up(t)
	p.Set(t, "canaryWeight", "50")
	refused := p.Attempt(t, harness.UpArgs...)
	t.Logf("up: exit code %d after %.1f s: %s", refused.Code, refused.Took.Seconds(), refused.All)
	require.NotZero(t, refused.Code)
	require.Contains(t, refused.All, "the split stays 100/0, since requests to the canary would be answered 503: "+
		"DestinationRule app-example/other stands in place of the app's and has no subset canary: add what is missing, or remove it")
	a.RequireSplit(t, 0)
	remove()
	p.Up(t)
	a.RequireSplit(t, 50)
}

// TestRollBackWithoutDestinationRule deletes the app's own DestinationRule and rolls back: the split is back although
// proxies can reach no subset, and the rest of the update writes the DestinationRule again.
func TestRollBackWithoutDestinationRule(t *testing.T) {
	p := harness.Shared(t)
	p.RestoreAfter(t)
	a := p.Example(t)
	p.Set(t, "canaryWeight", "50")
	p.Up(t)
	require.NoError(t, harness.Objects(a.Client, harness.DestinationRules, a.Namespace).Delete(t.Context(), a.Name, metav1.DeleteOptions{}))
	p.Set(t, "canaryWeight", "0")
	out := p.Pulumi(t, append(harness.UpArgs, "--refresh")...)
	require.Contains(t, out, "taking weight from the canary before anything else: the split in force is stable 50 / canary 50")
	a.RequireSplit(t, 0)
	p.VerifyNoChanges(t)
}

// TestForeignGateway lets another Gateway redirect the app's host, and an older one take its port for TCP.
func TestForeignGateway(t *testing.T) {
	p := harness.Shared(t)
	a := p.Example(t)
	server := func(protocol, host string, more map[string]any) map[string]any {
		s := map[string]any{"port": map[string]any{"number": int64(80), "name": "other", "protocol": protocol}, "hosts": []any{host}}
		maps.Copy(s, more)
		return map[string]any{"selector": map[string]any{"istio": "ingressgateway"}, "servers": []any{s}}
	}
	t.Run("redirects", func(t *testing.T) {
		remove := foreign(t, a.Client, harness.Gateways, "Gateway", "default", "other",
			server("HTTP", a.Host, map[string]any{"tls": map[string]any{"httpsRedirect": true}}))
		requireNamed(t, p, remove, "Gateway default/other redirects requests for the app's host "+a.Host+" to HTTPS: take the host out of it, or remove it")
		a.RequireSplit(t, 0)
	})
	t.Run("takes the port", func(t *testing.T) {
		require.NoError(t, harness.Objects(a.Client, harness.Gateways, a.Namespace).Delete(t.Context(), a.Name, metav1.DeleteOptions{}))
		remove := foreign(t, a.Client, harness.Gateways, "Gateway", "default", "a-tcp", server("TCP", "*", nil))
		requireNamed(t, p, remove, "Gateway default/a-tcp has taken port 80 of the ingress gateway for TCP, and is older than the app's: "+
			"take the port out of it, or remove it", "--refresh")
		a.RequireSplit(t, 0)
	})
}

// TestHiddenFromCaller hides the app from the pods of a namespace: the release goes on, and `status` says so.
func TestHiddenFromCaller(t *testing.T) {
	p := harness.Shared(t)
	p.RestoreAfter(t)
	a := p.Example(t)
	remove := foreign(t, a.Client, sidecars, "Sidecar", a.Namespace, "narrow", map[string]any{
		"egress": []any{map[string]any{"hosts": []any{"istio-system/*"}}},
	})
	p.Set(t, "canaryWeight", "50")
	p.Up(t)
	a.RequireIngress(t, 50)
	harness.Eventually(t, time.Minute, func(context.Context) error {
		status := p.AttemptCommand(t, "canary", "status", "--stack", p.Stack)
		const words = "has no route for the app: Sidecar app-example/narrow leaves the app out, so that its requests to the app are not split"
		if status.Code == 0 && strings.Contains(status.All, words) {
			return nil
		}
		return fmt.Errorf("exit code %d: %s", status.Code, status.All)
	})
	remove()
	p.Up(t)
	a.RequireIngress(t, 50)
}
