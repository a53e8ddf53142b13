//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// TestDrift changes and deletes each object of the app as somebody else would, and then types what a user may type:
// `pulumi up` and `canary status` say what is not as the stack wrote it, `pulumi preview --refresh` shows it, and
// `pulumi up --refresh` takes it back. Its log ends with the table of docs/operations.md.
func TestDrift(t *testing.T) {
	p := shared(t)
	p.restoreAfter(t)
	a := p.example(t)
	p.set(t, "canaryWeight", "50")
	p.up(t)
	var table []string
	defer func() {
		t.Log("object | pulumi up | canary status | up --refresh | what up says\n" + strings.Join(table, "\n"))
	}()

	const deleted = ""
	for _, tc := range []struct {
		kind   schema.GroupVersionResource
		object string // as it is told
		patch  string // a merge patch
		says   string // of the object
	}{
		{deployments, "Deployment app-example/app-example-canary", `{"spec":{"replicas":0}}`, `spec.replicas: 1 => 0`},
		{
			deployments, "Deployment app-example/app-example-canary",
			`{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"` + imageNext + `"}]}}}}`,
			`spec.template.spec.containers\[app\].image: \S+ => ` + imageNext,
		},
		{services, "Service app-example/app-example", `{"spec":{"selector":{"app.kubernetes.io/name":"other"}}}`, `spec.selector.app.kubernetes.io/name: app-example => other, as kubectl-edit at `},
		{configMaps, "ConfigMap app-example/app-example-canary", `{"data":{"nginx.conf":"broken"}}`, `data.nginx.conf: another value`},
		{gateways, "Gateway app-example/app-example", `{"spec":{"servers":[{"port":{"number":80,"name":"http","protocol":"HTTP"},"hosts":["other.example"]}]}}`, `spec.servers\[0\].hosts\[0\]: \S+ => other.example`},
		{destinationRules, "DestinationRule app-example/app-example", `{"spec":{"subsets":[{"name":"stable","labels":{"app.kubernetes.io/subset":"stable"}}]}}`, `spec.subsets\[canary\]: \S+ => \(none\)`},
		{peerAuthentications, "PeerAuthentication app-example/default", `{"spec":{"mtls":{"mode":"PERMISSIVE"}}}`, `spec.mtls.mode: STRICT => PERMISSIVE`},
		{namespaces, "Namespace app-example", `{"metadata":{"labels":{"istio-injection":null}}}`, `metadata.labels.istio-injection: enabled => \(none\)`},
		{virtualServices, "VirtualService app-example/app-example", `{"spec":{"hosts":["app-example"]}}`, `spec.hosts: \S+ => \["app-example"\]`},
		{deployments, "Deployment app-example/app-example-canary", deleted, ""},
		{services, "Service app-example/app-example", deleted, ""},
		{configMaps, "ConfigMap app-example/app-example-canary", deleted, ""},
		{gateways, "Gateway app-example/app-example", deleted, ""},
		{destinationRules, "DestinationRule app-example/app-example", deleted, ""},
		{peerAuthentications, "PeerAuthentication app-example/default", deleted, ""},
		{virtualServices, "VirtualService app-example/app-example", deleted, ""},
	} {
		what, said := "changed", tc.object+" has "+tc.says
		if tc.patch == deleted {
			what, said = "deleted", tc.object+" is gone: somebody deleted it"
		}
		t.Run(what+" "+tc.object, func(t *testing.T) {
			namespace, name := a.namespace, tc.object[strings.LastIndexAny(tc.object, " /")+1:]
			if tc.kind == namespaces {
				namespace = ""
			}
			of := objects(a.client, tc.kind, namespace)
			if tc.patch == deleted {
				require.NoError(t, of.Delete(t.Context(), name, metav1.DeleteOptions{}))
				eventually(t, time.Minute, func(ctx context.Context) error {
					if _, err := of.Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
						return fmt.Errorf("it is still there: %v", err)
					}
					return nil
				})
			} else {
				kind := types.MergePatchType
				if tc.kind == deployments {
					kind = types.StrategicMergePatchType
				}
				_, err := of.Patch(t.Context(), name, kind, []byte(tc.patch), metav1.PatchOptions{FieldManager: "kubectl-edit"})
				require.NoError(t, err)
			}

			up := p.attempt(t, upArgs...)
			line := lineWith(up.all, tc.object)
			status := p.attemptCommand(t, "canary", "status", "--stack", p.stack)
			t.Logf("up: exit code %d: %s\nstatus: exit code %d: %s", up.code, line, status.code, lineWith(status.all, "differs: "))
			if tc.kind == virtualServices && tc.patch == deleted {
				require.Contains(t, up.all, "the VirtualService is gone, so that nothing splits traffic: somebody deleted it")
				require.Contains(t, status.all, "the VirtualService has no split: ")
			} else {
				require.Regexp(t, said, up.all)
				require.Regexp(t, "differs: "+said, status.all)
			}
			require.NotZero(t, up.code)
			require.Equal(t, 1, status.code)
			require.Contains(t, up.all, "`pulumi up --refresh`")

			shown := p.pulumi(t, "preview", "--refresh", "--non-interactive")
			require.Regexp(t, `(update|create)[\s\S]*Resources:`, shown)

			repaired := p.attempt(t, append(upArgs, "--refresh")...)
			require.Zero(t, repaired.code, repaired.all)
			agrees := p.attemptCommand(t, "canary", "status", "--stack", p.stack)
			require.Zero(t, agrees.code, agrees.all)
			a.requireIngress(t, 50)
			table = append(table, fmt.Sprintf("%s %s | %.1f s | %.1f s | %.1f s | %s", what, tc.object, up.took.Seconds(), status.took.Seconds(), repaired.took.Seconds(), line))
		})
	}
}
