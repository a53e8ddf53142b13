package canary

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/stretchr/testify/require"

	"canary/internal/config"
	"canary/internal/pulumitest"
	"canary/internal/rollout/rollouttest"
)

func TestWorkloads(t *testing.T) {
	t.Parallel()
	userImages := map[string]string{
		"name":            "shop",
		"namespace":       "store",
		"stableImage":     "ghcr.io/me/shop:1.0.0",
		"canaryImage":     "ghcr.io/me/shop:1.1.0",
		"stableReplicas":  "4",
		"canaryReplicas":  "2",
		"containerPort":   "3000",
		"readinessPath":   "/healthz",
		"imagePullSecret": "registry",
		"drainSeconds":    "60",
		"startSeconds":    "91",
		"istioRevision":   "1-31",
	}
	environment := map[string]string{
		"env":       `{"LOG_LEVEL":"info","CACHE_SIZE":64}`,
		"canaryEnv": `{"LOG_LEVEL":"debug"}`,
	}
	cases := []struct {
		golden, token, name string
		options             map[string]string
	}{
		{"namespace", namespaceType, "app", nil},
		{"service", serviceType, "app", nil},
		{"configmap-stable", configMapType, "app-stable", nil},
		{"configmap-canary", configMapType, "app-canary", nil},
		{"deployment-stable", deploymentType, "app-stable", nil},
		{"deployment-canary", deploymentType, "app-canary", nil},
		{"user-namespace", namespaceType, "app", userImages},
		{"user-service", serviceType, "app", userImages},
		{"user-deployment-stable", deploymentType, "app-stable", userImages},
		{"user-deployment-canary", deploymentType, "app-canary", userImages},
		{"others-deployment-stable", deploymentType, "app-stable", map[string]string{"createNamespace": "false", "istioRevision": "1-31"}},
		{"privileged-port", deploymentType, "app-stable", map[string]string{"containerPort": "80"}},
		{"grpc-service", serviceType, "app", map[string]string{"protocol": "grpc"}},
		{"grpc-deployment-stable", deploymentType, "app-stable", map[string]string{"protocol": "grpc", "stableImage": "shop:1"}},
		{"tcp-deployment-stable", deploymentType, "app-stable", map[string]string{"readinessProtocol": "tcp", "readinessPort": "9001", "stableImage": "shop:1"}},
		{"autoscaler-canary", autoscalerType, "app-canary", map[string]string{"canaryReplicas": "2", "canaryMaxReplicas": "5"}},
		{"pod-deployment-canary", deploymentType, "app-canary", map[string]string{
			"stableImage": "shop:1",
			"pod":         `{"spec":{"containers":[{"name":"app","resources":{"limits":{"memory":"64Mi"}}}]}}`,
			"canaryPod":   `{"metadata":{"labels":{"team":"a"}},"spec":{"containers":[{"name":"app","args":["--fast"]}]}}`,
		}},
		{"env-deployment-stable", deploymentType, "app-stable", environment},
		{"env-deployment-canary", deploymentType, "app-canary", environment},
	}
	for _, tc := range cases {
		t.Run(tc.golden, func(t *testing.T) {
			t.Parallel()
			golden(t, tc.golden, find(t, preview(t, tc.options), tc.token, tc.name))
		})
	}
}

func TestImages(t *testing.T) {
	t.Parallel()
	const example = "docker.io/library/nginx:1.28.0-alpine"
	cases := []struct {
		name           string
		options        map[string]string
		stable, canary string
		configMaps     []string
	}{
		{
			name:   "the example app",
			stable: example, canary: example,
			configMaps: []string{"app-stable", "app-canary"},
		},
		{
			name:    "one image for both",
			options: map[string]string{"stableImage": "shop:1"},
			stable:  "shop:1", canary: "shop:1",
		},
		{
			name:    "an image each",
			options: map[string]string{"stableImage": "shop:1", "canaryImage": "shop:2"},
			stable:  "shop:1", canary: "shop:2",
		},
		{
			name:    "the example app beside an image",
			options: map[string]string{"canaryImage": "shop:2"},
			stable:  example, canary: "shop:2",
			configMaps: []string{"app-stable"},
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := preview(t, tc.options)
			require.Equal(t, tc.stable, container0(t, r, "app-stable")["image"])
			require.Equal(t, tc.canary, container0(t, r, "app-canary")["image"])
			var configMaps []string
			for _, got := range r.OfType(configMapType) {
				configMaps = append(configMaps, got.Name)
			}
			require.ElementsMatch(t, tc.configMaps, configMaps)
		})
	}
}

// The example app follows its configuration: another text is another pod.
func TestConfigurationRollsPods(t *testing.T) {
	t.Parallel()
	annotation := func(options map[string]string) any {
		return podTemplateOf(t, preview(t, options), "app-stable")["metadata"].(map[string]any)["annotations"].(map[string]any)[checksumAnnotation]
	}
	same := annotation(nil)
	require.NotEmpty(t, same)
	require.Equal(t, same, annotation(map[string]string{"canaryWeight": "50", "stableReplicas": "3"}))
	require.NotEqual(t, same, annotation(map[string]string{"containerPort": "8081"}))
	require.Nil(t, annotation(map[string]string{"stableImage": "shop:1"}))
}

// Where an autoscaler decides, the number of pods is not the stack's.
func TestAutoscaledReplicas(t *testing.T) {
	t.Parallel()
	r := preview(t, map[string]string{"canaryMaxReplicas": "5"})
	require.Equal(t, []string{"spec.replicas"}, find(t, r, deploymentType, "app-canary").RPC.GetIgnoreChanges())
	require.Empty(t, find(t, r, deploymentType, "app-stable").RPC.GetIgnoreChanges())
	require.Len(t, r.OfType(autoscalerType), 1)

	app := &rollouttest.Cluster{}
	hooks := &recordedHooks{}
	cfg := configuration(t, map[string]string{"canaryMaxReplicas": "5"})
	_, err := pulumitest.Run(hooked(cfg, reaching(app), hooks, nil), pulumitest.WithOutputs(written(app)))
	require.NoError(t, err)
	require.NoError(t, hooks.run("app-canary: least pods", nil))
	require.Contains(t, app.Calls(), "at least 1 of canary")
}

// A secret value is in a Secret, marked as one, and nowhere else; the pods follow it.
func TestSecretEnvironment(t *testing.T) {
	t.Parallel()
	pods := func(value string) map[string]any {
		cfg := configuration(t, nil)
		cfg.Env = config.Environment{"PASSWORD": {Value: value, Secret: true}, "LEVEL": {Value: "info"}}
		r, err := pulumitest.Run(program(cfg, nil, nil), pulumitest.WithDryRun())
		require.NoError(t, err)

		secret := find(t, r, secretType, "app-stable")
		require.Equal(t, "app-example-env", secret.Inputs["metadata"].ObjectValue()["name"].StringValue())
		require.True(t, secret.Inputs["data"].IsSecret())
		require.Equal(t, map[string]any{"PASSWORD": base64.StdEncoding.EncodeToString([]byte(value))},
			secret.Inputs["data"].SecretValue().Element.ObjectValue().Mappable())
		require.Empty(t, r.OfType(secretType)[1:])

		template := podTemplateOf(t, r, "app-stable")
		require.NotContains(t, fmt.Sprint(template), value)
		app := container0(t, r, "app-stable")
		require.Equal(t, []any{map[string]any{"secretRef": map[string]any{"name": "app-example-env"}}}, app["envFrom"])
		require.Equal(t, []any{map[string]any{"name": "LEVEL", "value": "info"}}, app["env"])
		require.NotContains(t, container0(t, r, "app-canary"), "envFrom")
		return template["metadata"].(map[string]any)["annotations"].(map[string]any)
	}
	one, two := pods("hunter2"), pods("hunter3")
	require.NotEmpty(t, one[envAnnotation])
	require.NotEqual(t, one[envAnnotation], two[envAnnotation])
	require.Equal(t, one, pods("hunter2"))
}

// Where the pods run is the user's to say: what `pod` has of it takes the place of the program's wish, or comes beside it.
func TestOwnPlacement(t *testing.T) {
	t.Parallel()
	spec := func(pod string) map[string]any {
		return podTemplateOf(t, preview(t, map[string]string{"pod": pod}), "app-stable")["spec"].(map[string]any)
	}
	require.NotContains(t, spec(`{"spec":{"affinity":null}}`), "affinity")

	own := []any{map[string]any{"weight": 1.0, "podAffinityTerm": map[string]any{"topologyKey": "rack"}}}
	const ownText = `[{"weight":1,"podAffinityTerm":{"topologyKey":"rack"}}]`
	wishes := spec(`{"spec":{"affinity":{"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":` + ownText + `}}}}`)["affinity"]
	require.Equal(t, map[string]any{"podAntiAffinity": map[string]any{"preferredDuringSchedulingIgnoredDuringExecution": own}}, wishes)

	both := spec(`{"spec":{"topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"kubernetes.io/hostname","whenUnsatisfiable":"DoNotSchedule"}]}}`)
	require.Equal(t, []any{map[string]any{"maxSkew": 1.0, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}}, both["topologySpreadConstraints"])
	require.Contains(t, both, "affinity")
}

func podTemplateOf(t *testing.T, r *pulumitest.Recorder, deployment string) map[string]any {
	t.Helper()
	spec := find(t, r, deploymentType, deployment).Inputs[resource.PropertyKey("spec")].ObjectValue()
	return spec["template"].ObjectValue().Mappable()
}

func container0(t *testing.T, r *pulumitest.Recorder, deployment string) map[string]any {
	t.Helper()
	pod := podTemplateOf(t, r, deployment)["spec"].(map[string]any)
	return pod["containers"].([]any)[0].(map[string]any)
}
