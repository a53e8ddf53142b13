package podpatch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sebdah/goldie/v2"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// template is one as the program makes it.
func template() corev1.PodTemplateSpec {
	probe := func(failures int32) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler:     corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromString("http")}},
			FailureThreshold: failures,
		}
	}
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{
			Labels:      map[string]string{"app.kubernetes.io/name": "shop", "app.kubernetes.io/subset": "stable"},
			Annotations: map[string]string{"proxy.istio.io/config": "drainDuration: 45s"},
		},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken:  new(false),
			TerminationGracePeriodSeconds: new(int64(35)),
			Containers: []corev1.Container{{
				Name:           App,
				Image:          "shop:1",
				Ports:          []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
				StartupProbe:   probe(300),
				ReadinessProbe: probe(3),
				Lifecycle:      &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 25}}},
			}},
		},
	}
}

func parsed(t *testing.T, text string) *Patch {
	t.Helper()
	patch, problems := Parse([]byte(text))
	require.Empty(t, problems)
	return patch
}

// Pods as they occur in the field: each is taken, and is what Kubernetes would make of it.
func TestApply(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	require.Len(t, files, 12)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			merged, err := Apply(template(), parsed(t, string(text)))
			require.NoError(t, err)
			require.Empty(t, Check(template(), merged))
			got, err := yaml.Marshal(merged)
			require.NoError(t, err)
			goldie.New(t).Assert(t, name, got)
		})
	}
}

func TestApplyInOrder(t *testing.T) {
	t.Parallel()
	merged, err := Apply(template(),
		parsed(t, `{metadata: {labels: {team: a, tier: web}}, spec: {containers: [{name: helper, image: "h:1"}, {name: app, args: [-v]}]}}`),
		nil,
		parsed(t, `{metadata: {labels: {team: b, tier: null}}, spec: {containers: [{name: helper, $patch: delete}, {name: app, args: [-q]}]}}`))
	require.NoError(t, err)
	require.Equal(t, "b", merged.Labels["team"])
	require.NotContains(t, merged.Labels, "tier")
	require.Len(t, merged.Spec.Containers, 1)
	require.Equal(t, []string{"-q"}, merged.Spec.Containers[0].Args)
}

func TestApplyNothing(t *testing.T) {
	t.Parallel()
	merged, err := Apply(template(), nil, parsed(t, ""), parsed(t, "{}"))
	require.NoError(t, err)
	require.Equal(t, template(), merged)
}

func TestParseNamesEveryProblem(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"unknown fields": {
			`{metdata: {}, spec: {containers: [{name: app, resorces: {}, securityContext: {readonlyRootFilesystem: true}}], Volumes: []}}`,
			[]string{
				"metdata: no such field; nearest: metadata",
				"spec.Volumes: no such field; nearest: volumes",
				"spec.containers[0].resorces: no such field; nearest: resources",
				"spec.containers[0].securityContext.readonlyRootFilesystem: no such field; nearest: readOnlyRootFilesystem",
			},
		},
		"wrong types": {
			`{spec: {hostNetwork: "yes", terminationGracePeriodSeconds: 1.5, priority: 3000000000, nodeSelector: {disk: 7}, containers: {name: app},
			  volumes: [{name: a, secret: keys}], tolerations: [{tolerationSeconds: x}], priorityClassName: 7}}`,
			[]string{
				"spec.containers: found an object, allowed: a list",
				"spec.hostNetwork: found text, allowed: true or false",
				"spec.nodeSelector[disk]: found a whole number, allowed: text",
				"spec.priority: found 3000000000, allowed: a whole number of at most 2147483647",
				"spec.priorityClassName: found a whole number, allowed: text",
				"spec.terminationGracePeriodSeconds: found a number, allowed: a whole number",
				"spec.tolerations[0].tolerationSeconds: found text, allowed: a whole number",
				"spec.volumes[0].secret: found text, allowed: an object",
			},
		},
		"values that are none": {
			`{spec: {containers: [{name: app, resources: {limits: {cpu: lots, memory: [1]}}, readinessProbe: {tcpSocket: {port: true}}}]}}`,
			[]string{
				"spec.containers[0].readinessProbe.tcpSocket.port: found true or false, allowed: a whole number or text",
				`spec.containers[0].resources.limits[cpu]: found "lots", allowed: a quantity such as 100m, 64Mi or 2`,
				"spec.containers[0].resources.limits[memory]: found a list, allowed: a quantity such as 100m, 64Mi or 2",
			},
		},
		"nameless elements": {
			`{spec: {containers: [{image: "a:1"}, {name: app, env: [{value: x}], volumeMounts: [{name: tmp}]}]}}`,
			[]string{
				"spec.containers[0]: it has no name, by which it is told from the others of the list",
				"spec.containers[1].env[0]: it has no name, by which it is told from the others of the list",
				"spec.containers[1].volumeMounts[0]: it has no mountPath, by which it is told from the others of the list",
			},
		},
		"directives": {
			`{spec: {$patch: merge, $retainKeys: [a], containers: [{name: app, $patch: delete}]}}`,
			[]string{`spec.$patch: found "merge", allowed: delete or replace`, "spec.$retainKeys: no such field; nearest: containers"},
		},
		"metadata":        {`{metadata: {name: shop, labels: {a: b}}}`, []string{"metadata.name: of metadata only labels and annotations can be set"}},
		"the wrong level": {`{containers: []}`, []string{"containers: no such field; nearest: metadata"}},
		"a list":          {`[]`, []string{"found a list, allowed: an object"}},
		"a name twice":    {"spec: {}\nspec: {}", []string{`not YAML: yaml: unmarshal errors: line 2: key "spec" already set in map`}},
		"no YAML":         {"a: b: c", []string{"not YAML: yaml: mapping values are not allowed in this context"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			patch, problems := Parse([]byte(tc.text))
			require.Nil(t, patch)
			var got []string
			for _, problem := range problems {
				got = append(got, problem.String())
			}
			require.Equal(t, tc.want, got)
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"labels of the selector": {
			`{metadata: {labels: {app.kubernetes.io/name: other, app.kubernetes.io/subset: null}}}`,
			[]string{
				"metadata.labels[app.kubernetes.io/name]: it cannot be set here: it selects the app's pods",
				"metadata.labels[app.kubernetes.io/subset]: it cannot be set here: it selects the subset's pods",
			},
		},
		"the sidecar": {
			`{metadata: {labels: {sidecar.istio.io/inject: "false"}, annotations: {proxy.istio.io/config: "{}", traffic.sidecar.istio.io/excludeInboundPorts: "8080"}},
			  spec: {hostNetwork: true, securityContext: {runAsUser: 1337}, containers: [{name: istio-proxy, image: auto}]}}`,
			[]string{
				"metadata.labels[sidecar.istio.io/inject]: it cannot be set here: the app's requests have to come through the sidecar",
				"metadata.annotations[proxy.istio.io/config]: it cannot be set here: the drain rests on it: set `drainSeconds`",
				"metadata.annotations[traffic.sidecar.istio.io/excludeInboundPorts]: it cannot be set here: the app's requests have to come through the sidecar",
				"spec.hostNetwork: a pod on the node's network gets no sidecar",
				"spec.securityContext.runAsUser: 1337 is Istio's proxy, whose traffic passes the sidecar by: take another",
				"spec.containers[1].name: istio-proxy is Istio's own: set it up by `istioValues`, or by annotations of the pod",
			},
		},
		"the drain": {
			`{spec: {terminationGracePeriodSeconds: 30, containers: [{name: app, lifecycle: {preStop: null}}]}}`,
			[]string{
				"spec.terminationGracePeriodSeconds: allowed: at least the 35 that the drain takes; set `drainSeconds` for a shorter one",
				"spec.containers[app].lifecycle.preStop: the drain rests on it: set `drainSeconds` instead",
			},
		},
		"what has a key": {
			`{spec: {containers: [{name: app, image: "shop:2", ports: [{containerPort: 8080, $patch: delete}], readinessProbe: null}]}}`,
			[]string{
				"spec.containers[app].image: set `stableImage` and `canaryImage` instead",
				"spec.containers[app].ports: the port http with containerPort 8080 is where requests go, and has to stay: set `containerPort` instead",
				"spec.containers[app].readinessProbe: the guard rests on it: change how it asks, but leave it there",
			},
		},
		"another life": {
			`{spec: {restartPolicy: Never, activeDeadlineSeconds: 60, ephemeralContainers: [{name: debug}]}}`,
			[]string{
				`spec.restartPolicy: found "Never", allowed: "Always", since the pods are a Deployment's`,
				"spec.activeDeadlineSeconds: the pods are a Deployment's, and do not end by themselves",
				"spec.ephemeralContainers: they are for pods that run: `kubectl debug`",
			},
		},
		"no app": {
			`{spec: {containers: [{name: app, $patch: delete}]}}`,
			[]string{"spec.containers: the container app is the app's, and has to stay"},
		},
		"more of it": {`{spec: {terminationGracePeriodSeconds: 600, restartPolicy: Always}, metadata: {annotations: {sidecar.istio.io/proxyCPU: 100m}}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			merged, err := Apply(template(), parsed(t, tc.text))
			require.NoError(t, err)
			var got []string
			for _, problem := range Check(template(), merged) {
				got = append(got, problem.String())
			}
			require.Equal(t, tc.want, got)
		})
	}
}

// Whatever is parsed can be merged and checked.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "{}", "[]", "spec: {containers: [{name: app, $patch: delete}]}", "spec: {volumes: [{name: a}]}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		patch, problems := Parse([]byte(text))
		if patch == nil {
			require.NotEmpty(t, problems)
			return
		}
		merged, err := Apply(template(), patch)
		if err == nil {
			Check(template(), merged)
		}
	})
}
