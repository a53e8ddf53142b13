//go:build e2e && rivals

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"canary/test/e2e/harness"
)

const flaggerSettings = "v1.44.0, provider istio; interval 10s (no less is allowed), threshold 1, stepWeights 5, 25, 50, 100, progressDeadlineSeconds 60; " +
	"its own metrics request-success-rate (at least 99) and request-duration (at most 250 ms), both over 20s. A step lasts one interval, since Flagger has no other time for it."

// flagger is Flagger.
type flagger struct{ rival }

func (f *flagger) start(t *testing.T) {
	t.Helper()
	f.begin(t, "flagger", "github.com/fluxcd/flagger", "artifacts/flagger/crd.yaml", canaries)
	runBeside(t, "flagger", "-kubeconfig="+f.kubeconfig, "-mesh-provider=istio", "-metrics-server="+f.prometheus, "-log-level=info",
		fmt.Sprintf("-port=%d", harness.FreePort(t)))
}

func (f *flagger) stable(t *testing.T) string {
	t.Helper()
	host := f.next(t, flaggerObjects)
	f.await(t, canaries, "Initialized")
	return host
}

func (f *flagger) release(t *testing.T, image string) verdict {
	t.Helper()
	harness.PatchDeployment(t, f.client, f.namespace, "app", fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"app","image":%q}]}}}}`, image))
	v := ended(t, func(ctx context.Context) (verdict, error) {
		canary, err := f.app(ctx, canaries)
		if err != nil {
			return verdict{}, err
		}
		switch statusOf(canary, "phase") {
		case "Succeeded":
			return verdict{"promoted", "Succeeded"}, nil
		case "Failed":
			return verdict{what: "taken back"}, nil
		}
		return verdict{}, errGoesOn
	})
	var said []string
	for _, event := range f.events(t, "Canary") {
		if event.Type == corev1.EventTypeWarning {
			said = append(said, event.Message)
		}
	}
	if v.what != "promoted" {
		v.said = strings.Join(said[max(0, len(said)-3):], "; ")
	}
	return v
}

const flaggerObjects = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  replicas: 1
  selector: {matchLabels: {app.kubernetes.io/name: app}}
  template: $POD
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: app}
spec:
  provider: istio
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: app}
  progressDeadlineSeconds: 60
  service: {port: 80, targetPort: 8080, portName: http, gateways: [app], hosts: [$HOST]}
  analysis:
    interval: 10s
    threshold: 1
    stepWeights: [5, 25, 50, 100]
    metrics:
    - {name: request-success-rate, interval: 20s, thresholdRange: {min: 99}}
    - {name: request-duration, interval: 20s, thresholdRange: {max: 250}}
`
