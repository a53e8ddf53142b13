//go:build e2e && rivals

package e2e

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"canary/test/e2e/harness"
)

const argoSettings = "v1.9.1, subsets of one Service; setCanaryScale 1, then setWeight and a pause of 30s for each step, progressDeadlineSeconds 60 with progressDeadlineAbort; " +
	"an analysis in the background by Prometheus every 5s with failureLimit 0: at most 0.01 of the answers 500 or above, and 99 % of them within 250 ms, both over 20s."

// argo is Argo Rollouts.
type argo struct{ rival }

func (a *argo) start(t *testing.T) {
	t.Helper()
	a.begin(t, "argo", "github.com/argoproj/argo-rollouts", "manifests/crds/*-crd.yaml", rollouts)
	runBeside(t, "rollouts-controller", "--kubeconfig="+a.kubeconfig, "--leader-elect=false", "--loglevel=info",
		fmt.Sprintf("--metricsPort=%d", harness.FreePort(t)), fmt.Sprintf("--healthzPort=%d", harness.FreePort(t)))
}

func (a *argo) stable(t *testing.T) string {
	t.Helper()
	host := a.next(t, argoObjects)
	a.await(t, rollouts, "Healthy")
	return host
}

func (a *argo) release(t *testing.T, image string) verdict {
	t.Helper()
	patch := fmt.Appendf(nil, `[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":%q}]`, image)
	_, err := harness.Objects(a.client, rollouts, a.namespace).Patch(t.Context(), "app", types.JSONPatchType, patch, metav1.PatchOptions{})
	require.NoError(t, err)
	v := ended(t, func(ctx context.Context) (verdict, error) {
		rollout, err := a.app(ctx, rollouts)
		if err != nil {
			return verdict{}, err
		}
		if statusOf(rollout, "observedGeneration") != fmt.Sprint(rollout.GetGeneration()) {
			return verdict{}, errGoesOn
		}
		aborted, _, _ := unstructured.NestedBool(rollout.Object, "status", "abort")
		switch phase := statusOf(rollout, "phase"); {
		case aborted && phase == "Degraded":
			return verdict{"taken back", statusOf(rollout, "message")}, nil
		case phase == "Healthy" && statusOf(rollout, "stableRS") == statusOf(rollout, "currentPodHash"):
			return verdict{"promoted", phase}, nil
		}
		return verdict{}, errGoesOn
	})
	a.events(t, "Rollout")
	return v
}

const argoObjects = `
apiVersion: v1
kind: Service
metadata: {name: app}
spec:
  selector: {app.kubernetes.io/name: app}
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: app}
spec:
  host: app
  subsets:
  - {name: canary, labels: {app.kubernetes.io/name: app}}
  - {name: stable, labels: {app.kubernetes.io/name: app}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app}
spec:
  hosts: [$HOST]
  gateways: [app]
  http:
  - name: primary
    route:
    - {destination: {host: app, subset: stable}, weight: 100}
    - {destination: {host: app, subset: canary}, weight: 0}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: requests}
spec:
  args: [{name: hash}]
  metrics:
  - name: failures
    interval: 5s
    failureLimit: 0
    successCondition: len(result) == 0 || isNaN(result[0]) || result[0] <= 0.01
    provider:
      prometheus:
        address: $PROMETHEUS
        query: |
          (sum(rate(istio_requests_total{reporter="destination",destination_workload_namespace="$NAMESPACE",rollouts_pod_template_hash="{{args.hash}}",response_code=~"5.*"}[20s])) or vector(0))
          / sum(rate(istio_requests_total{reporter="destination",destination_workload_namespace="$NAMESPACE",rollouts_pod_template_hash="{{args.hash}}"}[20s]))
  - name: duration
    interval: 5s
    failureLimit: 0
    successCondition: len(result) == 0 || isNaN(result[0]) || result[0] <= 250
    provider:
      prometheus:
        address: $PROMETHEUS
        query: |
          histogram_quantile(0.99, sum by (le) (
            rate(istio_request_duration_milliseconds_bucket{reporter="destination",destination_workload_namespace="$NAMESPACE",rollouts_pod_template_hash="{{args.hash}}"}[20s])))
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: app}
spec:
  replicas: 1
  progressDeadlineSeconds: 60
  progressDeadlineAbort: true
  selector: {matchLabels: {app.kubernetes.io/name: app}}
  template: $POD
  strategy:
    canary:
      trafficRouting:
        istio:
          virtualService: {name: app, routes: [primary]}
          destinationRule: {name: app, canarySubsetName: canary, stableSubsetName: stable}
      analysis:
        templates: [{templateName: requests}]
        args: [{name: hash, valueFrom: {podTemplateHashValue: Latest}}]
      steps:
      - setCanaryScale: {replicas: 1}
      - setWeight: 5
      - pause: {duration: 30s}
      - setWeight: 25
      - pause: {duration: 30s}
      - setWeight: 50
      - pause: {duration: 30s}
      - setWeight: 100
      - pause: {duration: 30s}
`
