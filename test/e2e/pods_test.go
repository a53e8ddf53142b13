//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/test/e2e/harness"
)

// TestPods gives the canary pods as they occur in the field: each is released, or refused with words that say why.
func TestPods(t *testing.T) {
	p := harness.Shared(t)
	p.RestoreAfter(t)
	app := p.Example(t)
	p.SetAll(t, "stableImage="+harness.ImagePodinfo, "containerPort=9898", "readinessPath=/readyz", "drainSeconds=1", "canaryPod=canary.yaml")
	harness.Make(t, app.Client, harness.ConfigMaps, app.Namespace, settings)
	harness.Make(t, app.Client, harness.SecretResource, app.Namespace, map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "e2e-keys"}, "stringData": map[string]any{"key": "e2e"},
	})

	var environment strings.Builder
	for i := range 200 {
		fmt.Fprintf(&environment, "    - {name: SETTING_%03d, value: %q}\n", i, strings.Repeat("x", 100))
	}
	for _, tc := range []struct{ name, pod, refused string }{
		{"init container, own sidecar, host aliases, two ports", `
spec:
  hostAliases: [{ip: 10.1.2.3, hostnames: [legacy.internal]}]
  initContainers:
  - name: first
    image: ` + harness.ImagePodinfo + `
    command: [./podinfo, --version]
  containers:
  - name: app
    ports: [{name: grpc, containerPort: 9999}]
  - name: helper
    image: ` + harness.ImagePodinfo + `
    command: [./podinfo, --port=9797, --grpc-port=0]`, ""},
		{"ConfigMap, Secret, projected token, read-only root, huge environment", `
spec:
  containers:
  - name: app
    securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false}
    volumeMounts:
    - {name: settings, mountPath: /etc/podinfo}
    - {name: keys, mountPath: /etc/keys}
    - {name: token, mountPath: /var/run/token}
    - {name: tmp, mountPath: /tmp}
    env:
` + environment.String() + `
  volumes:
  - {name: settings, configMap: {name: e2e-settings}}
  - {name: keys, secret: {secretName: e2e-keys}}
  - {name: token, projected: {sources: [{serviceAccountToken: {audience: vault, path: token}}]}}
  - {name: tmp, emptyDir: {}}`, ""},
		{"root, TCP probe", "spec: {containers: [{name: app, securityContext: {runAsUser: 0}, readinessProbe: {tcpSocket: {port: http}}}]}", ""},
		{"exec probe", "spec: {containers: [{name: app, readinessProbe: {exec: {command: [./podinfo, --version]}}}]}", ""},
		{
			"a resource that no node has", "spec: {containers: [{name: app, resources: {limits: {example.com/gpu: 1}}}]}",
			`subset canary: 0 of 1 pods ready: .*: Unschedulable: .*Insufficient example.com/gpu`,
		},
		{
			"a volume that is not there", "spec: {volumes: [{name: none, configMap: {name: e2e-none}}], containers: [{name: app, volumeMounts: [{name: none, mountPath: /none}]}]}",
			`subset canary: 0 of 1 pods ready: .*: FailedMount: .*configmap .*e2e-none.* not found`,
		},
		{"a field that is none", "spec: {containers: [{name: app, resorces: {}}]}", `canaryPod: spec.containers\[0\].resorces: no such field; nearest: resources`},
		{"without the drain", "spec: {terminationGracePeriodSeconds: 1}", `canaryPod: spec.terminationGracePeriodSeconds: allowed: at least the 16 that the drain takes; set .drainSeconds. for a shorter one`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if strings.HasSuffix(tc.name, "probe") {
				harness.Long(t)
			}
			require.NoError(t, os.WriteFile(filepath.Join(p.Dir, "canary.yaml"), []byte(tc.pod), 0o600))
			o := p.Attempt(t, harness.UpArgs...)
			t.Logf("exit code %d after %.1f s", o.Code, o.Took.Seconds())
			if tc.refused != "" {
				require.NotZero(t, o.Code)
				line := regexp.MustCompile(".*" + tc.refused + ".*").FindString(o.All)
				require.NotEmpty(t, line, o.All)
				t.Log(line)
				return
			}
			require.Zero(t, o.Code, o.All)
		})
	}
}
