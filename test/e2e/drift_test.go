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

	"canary/test/e2e/harness"
)

// TestDrift changes and deletes each object of the app as somebody else would, and then types what a user may type:
// `pulumi up` and `canary status` say what is not as the stack wrote it, `pulumi preview --refresh` shows it, and
// `pulumi up --refresh` takes it back. Its log ends with the table of docs/operations.md.
func TestDrift(t *testing.T) {
	p := harness.Shared(t)
	p.RestoreAfter(t)
	a := p.Example(t)
	p.Set(t, "canaryWeight", "50")
	p.Up(t)
	var table []string
	defer func() {
		t.Log("object | pulumi up | canary status | up --refresh | what up says\n" + strings.Join(table, "\n"))
	}()

	const deleted = ""
	for i, tc := range []struct {
		kind   schema.GroupVersionResource
		object string // as it is told
		patch  string // a merge patch
		says   string // of the object
	}{
		{harness.Deployments, "Deployment app-example/app-example-canary", `{"spec":{"replicas":0}}`, `spec.replicas: 1 => 0`},
		{
			harness.Deployments, "Deployment app-example/app-example-canary",
			`{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"` + harness.ImageNext + `"}]}}}}`,
			`spec.template.spec.containers\[app\].image: \S+ => ` + harness.ImageNext,
		},
		{harness.Services, "Service app-example/app-example", `{"spec":{"selector":{"app.kubernetes.io/name":"other"}}}`, `spec.selector.app.kubernetes.io/name: app-example => other, as kubectl-edit at `},
		{harness.ConfigMaps, "ConfigMap app-example/app-example-canary", `{"data":{"nginx.conf":"broken"}}`, `data.nginx.conf: another value`},
		{harness.Gateways, "Gateway app-example/app-example", `{"spec":{"servers":[{"port":{"number":80,"name":"http","protocol":"HTTP"},"hosts":["other.example"]}]}}`, `spec.servers\[0\].hosts\[0\]: \S+ => other.example`},
		{harness.DestinationRules, "DestinationRule app-example/app-example", `{"spec":{"subsets":[{"name":"stable","labels":{"app.kubernetes.io/subset":"stable"}}]}}`, `spec.subsets\[canary\]: \S+ => \(none\)`},
		{harness.PeerAuthentications, "PeerAuthentication app-example/default", `{"spec":{"mtls":{"mode":"PERMISSIVE"}}}`, `spec.mtls.mode: STRICT => PERMISSIVE`},
		{harness.Namespaces, "Namespace app-example", `{"metadata":{"labels":{"istio-injection":null}}}`, `metadata.labels.istio-injection: enabled => \(none\)`},
		{harness.VirtualServices, "VirtualService app-example/app-example", `{"spec":{"hosts":["app-example"]}}`, `spec.hosts: \S+ => \["app-example"\]`},
		{harness.Deployments, "Deployment app-example/app-example-canary", deleted, ""},
		{harness.Services, "Service app-example/app-example", deleted, ""},
		{harness.ConfigMaps, "ConfigMap app-example/app-example-canary", deleted, ""},
		{harness.Gateways, "Gateway app-example/app-example", deleted, ""},
		{harness.DestinationRules, "DestinationRule app-example/app-example", deleted, ""},
		{harness.PeerAuthentications, "PeerAuthentication app-example/default", deleted, ""},
		{harness.VirtualServices, "VirtualService app-example/app-example", deleted, ""},
		{harness.Namespaces, "Namespace app-example", deleted, ""},
	} {
		what, said := "changed", tc.object+" has "+tc.says
		if tc.patch == deleted {
			what, said = "deleted", tc.object+" is gone: somebody deleted it"
		}
		t.Run(what+" "+tc.object, func(t *testing.T) {
			if i%5 > 0 {
				harness.Long(t)
			}
			namespace, name := a.Namespace, tc.object[strings.LastIndexAny(tc.object, " /")+1:]
			if tc.kind == harness.Namespaces {
				namespace = ""
			}
			of := harness.Objects(a.Client, tc.kind, namespace)
			if tc.patch == deleted {
				require.NoError(t, of.Delete(t.Context(), name, metav1.DeleteOptions{}))
				harness.Eventually(t, 3*time.Minute, func(ctx context.Context) error {
					if _, err := of.Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
						return fmt.Errorf("it is still there: %v", err)
					}
					return nil
				})
			} else {
				kind := types.MergePatchType
				if tc.kind == harness.Deployments {
					kind = types.StrategicMergePatchType
				}
				_, err := of.Patch(t.Context(), name, kind, []byte(tc.patch), metav1.PatchOptions{FieldManager: "kubectl-edit"})
				require.NoError(t, err)
			}

			up := p.Attempt(t, harness.UpArgs...)
			line := harness.LineWith(up.All, tc.object)
			status := p.AttemptCommand(t, "canary", "status", "--stack", p.Stack)
			t.Logf("up: exit code %d: %s\nstatus: exit code %d: %s", up.Code, line, status.Code, harness.LineWith(status.All, "differs: "))
			if tc.patch == deleted && (tc.kind == harness.VirtualServices || tc.kind == harness.Namespaces) {
				gone := "the VirtualService is gone, so that nothing splits traffic: somebody deleted it"
				if tc.kind == harness.Namespaces {
					gone = "Namespace app-example is gone, and all that was in it: somebody deleted it"
				}
				require.Contains(t, up.All, gone)
				require.Contains(t, status.All, "the VirtualService has no split: ")
			} else {
				require.Regexp(t, said, up.All)
				require.Regexp(t, "differs: "+said, status.All)
			}
			require.NotZero(t, up.Code)
			require.Equal(t, 1, status.Code)
			require.Contains(t, up.All, "`pulumi up --refresh`")

			shown := p.Pulumi(t, "preview", "--refresh", "--non-interactive")
			require.Regexp(t, `(update|create)[\s\S]*Resources:`, shown)

			repaired := p.Attempt(t, append(harness.UpArgs, "--refresh")...)
			require.Zero(t, repaired.Code, repaired.All)
			agrees := p.AttemptCommand(t, "canary", "status", "--stack", p.Stack)
			require.Zero(t, agrees.Code, agrees.All)
			a.RequireIngress(t, 50)
			table = append(table, fmt.Sprintf("%s %s | %.1f s | %.1f s | %.1f s | %s", what, tc.object, up.Took.Seconds(), status.Took.Seconds(), repaired.Took.Seconds(), line))
		})
	}
}
