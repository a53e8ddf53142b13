//go:build e2e && rivals

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"canary/internal/kube"
	"canary/test/e2e/harness"
)

// The kinds that the rivals bring.
var (
	crds      = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	canaries  = schema.GroupVersionResource{Group: "flagger.app", Version: "v1beta1", Resource: "canaries"}
	rollouts  = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts"}
	templates = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "analysistemplates"}
)

// rival is what both rivals have: a controller and a Prometheus beside the cluster, and a namespace for each release, so that
// nothing is left of the release before.
type rival struct {
	*harness.Project
	client     *kube.Client
	kubeconfig string
	prometheus string
	namespace  string
}

// begin makes the CRDs in some files of the module that a folder pins, and runs Prometheus.
func (r *rival) begin(t *testing.T, folder, module, files string, kind schema.GroupVersionResource) {
	t.Helper()
	r.client = r.Client(t)
	r.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(r.kubeconfig, []byte(r.Kubeconfig(t)), 0o600))
	dir := strings.TrimSpace(harness.Run(t, ".", nil, "go", "-C", "../rivals/"+folder, "list", "-m", "-f", "{{.Dir}}", module))
	paths, err := filepath.Glob(filepath.Join(dir, files))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		makeAll(t, r.client, "", string(text))
	}
	harness.Eventually(t, time.Minute, func(ctx context.Context) error {
		_, err := harness.Objects(r.client, kind, "default").List(ctx, metav1.ListOptions{})
		return err
	})
	r.prometheus = scrapeApp(t, r.client)
}

// next makes the objects of the next release in a namespace of its own, with the variables HOST, NAMESPACE, PROMETHEUS and POD in them.
func (r *rival) next(t *testing.T, objects string) (host string) {
	t.Helper()
	r.namespace = harness.NewName()
	host = r.namespace + ".localhost"
	makeAll(t, r.client, "", "{apiVersion: v1, kind: Namespace, metadata: {name: "+r.namespace+", labels: {istio-injection: enabled}}}")
	makeAll(t, r.client, r.namespace, os.Expand(rivalsGateway+objects, func(name string) string {
		return map[string]string{"HOST": host, "NAMESPACE": r.namespace, "PROMETHEUS": r.prometheus, "POD": fmt.Sprintf(rivalsPod, rivalsStable)}[name]
	}))
	return host
}

// app reads the object of a kind that is called app.
func (r *rival) app(ctx context.Context, kind schema.GroupVersionResource) (*unstructured.Unstructured, error) {
	return harness.Objects(r.client, kind, r.namespace).Get(ctx, "app", metav1.GetOptions{})
}

// await waits until the object of a kind that is called app is in a phase.
func (r *rival) await(t *testing.T, kind schema.GroupVersionResource, phase string) {
	t.Helper()
	harness.Eventually(t, 3*time.Minute, func(ctx context.Context) error {
		object, err := r.app(ctx, kind)
		if err != nil {
			return err
		}
		if now := statusOf(object, "phase"); now != phase {
			return fmt.Errorf("the %s is %q: %s", object.GetKind(), now, statusOf(object, "message"))
		}
		return nil
	})
}

// events logs and gives those of an object of a kind, in their order.
func (r *rival) events(t *testing.T, kind string) []corev1.Event {
	t.Helper()
	events, err := r.client.Events(t.Context(), r.namespace, "involvedObject.kind="+kind)
	require.NoError(t, err)
	slices.SortFunc(events, func(a, b corev1.Event) int { return a.LastTimestamp.Compare(b.LastTimestamp.Time) })
	for _, event := range events {
		t.Logf("%s %s: %s", event.LastTimestamp.Format(time.TimeOnly), event.Type, event.Message)
	}
	return events
}

// statusOf is a field of an object's status that is text.
func statusOf(object *unstructured.Unstructured, field string) string {
	text, _, _ := unstructured.NestedString(object.Object, "status", field)
	return text
}

// makeAll makes the objects of a text in YAML until the test is over.
func makeAll(t *testing.T, c *kube.Client, namespace, text string) {
	t.Helper()
	for document := range strings.SplitSeq(text, "\n---") {
		object := map[string]any{}
		require.NoError(t, yaml.Unmarshal([]byte(document), &object), document)
		if len(object) == 0 {
			continue
		}
		kind, known := map[any]schema.GroupVersionResource{
			"Namespace": harness.Namespaces, "Service": harness.Services, "Deployment": harness.Deployments, "Gateway": harness.Gateways,
			"VirtualService": harness.VirtualServices, "DestinationRule": harness.DestinationRules,
			"CustomResourceDefinition": crds, "Canary": canaries, "Rollout": rollouts, "AnalysisTemplate": templates,
		}[object["kind"]]
		require.True(t, known, "%v", object["kind"])
		harness.Make(t, c, kind, namespace, object)
	}
}

// runBeside runs a program beside the cluster until the test is over, and shows the end of what it wrote when that failed.
func runBeside(t *testing.T, name string, args ...string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(path)
	require.NoError(t, err)
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
		if text, _ := os.ReadFile(path); t.Failed() {
			t.Logf("%s wrote in the end:\n%s", name, harness.LastLines(string(text), 60))
		}
	})
}

// rivalsGateway lets the requests in.
const rivalsGateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: app}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {name: http, number: 80, protocol: HTTP}, hosts: [$HOST]}]
---`

// rivalsPod is the template of the app's pods: what the stack gives its own, and that the sidecar counts what it sends to the app.
const rivalsPod = `{
      metadata: {
        labels: {app.kubernetes.io/name: app, measured: "yes"},
        annotations: {proxy.istio.io/config: "{terminationDrainDuration: 6s, proxyStatsMatcher: {inclusionRegexps: ['^cluster\\.inbound.*upstream_rq_(time|[0-9]+)']}}"}
      },
      spec: {
        terminationGracePeriodSeconds: 16,
        containers: [{
          name: app, image: %q, imagePullPolicy: IfNotPresent, ports: [{name: http, containerPort: 8080}],
          readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 3},
          startupProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 30},
          lifecycle: {preStop: {sleep: {seconds: 6}}}, resources: {requests: {cpu: 10m, memory: 32Mi}}
        }]
      }
    }`
