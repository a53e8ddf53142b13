//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/test/e2e/harness"
)

// TestPodinfo releases the demo service of the field with settings and a secret, from one version to the next under
// load. The secret's value is where the app reads it, and nowhere else.
func TestPodinfo(t *testing.T) {
	p := harness.Shared(t)
	p.RestoreAfter(t)
	app := p.Example(t)
	first := "e2e-" + strings.Repeat("first", 4)
	p.SetAll(t, "stableImage="+harness.ImagePodinfo, "containerPort=9898", "readinessPath=/readyz", "stableReplicas=3", "canaryReplicas=3")
	p.SetSecret(t, "env.DB_PASSWORD", first)
	p.Pulumi(t, "config", "set", "--path", "canaryEnv.PODINFO_UI_MESSAGE", "v2")
	p.Pulumi(t, "config", "set", "--path", "canaryEnv.PODINFO_CONFIG_PATH", "/etc/podinfo")
	require.NoError(t, os.WriteFile(filepath.Join(p.Dir, "pod.yaml"), []byte(podinfoPod), 0o600))
	p.Set(t, "pod", "pod.yaml")
	harness.Make(t, app.Client, harness.ConfigMaps, app.Namespace, settings)
	hidden := harness.Secrets{"password": first, "password in base64": base64.StdEncoding.EncodeToString([]byte(first))}

	watch := harness.WatchArguments()
	preview := p.Pulumi(t, "preview", "--diff", "--show-sames", "--non-interactive")
	up := p.Up(t)
	arguments := watch.End()
	require.Contains(t, preview, "app-example-env")
	for name, text := range map[string]string{
		"preview": preview, "up": up, "state": p.Pulumi(t, "stack", "export"), "process arguments": strings.Join(slices.Sorted(maps.Keys(arguments)), "\n"),
	} {
		require.Empty(t, hidden.In(text), name)
	}
	require.Empty(t, hidden.InFiles(t, p.Root, harness.Everything))
	require.NotEmpty(t, hidden.In(p.Pulumi(t, "stack", "export", "--show-secrets")), "the check finds nothing")

	require.Contains(t, environment(t, app), "DB_PASSWORD="+first)
	for _, pod := range harness.PodsOf(t, app.Client, app.Namespace, app.Name, "stable") {
		text, err := json.Marshal(pod)
		require.NoError(t, err)
		require.Empty(t, hidden.In(string(text)), "pod %s", pod.Name)
	}

	second := "e2e-" + strings.Repeat("second", 4)
	p.SetSecret(t, "env.DB_PASSWORD", second)
	before := harness.Names(harness.PodsOf(t, app.Client, app.Namespace, app.Name, "stable"))
	p.Up(t)
	require.Contains(t, environment(t, app), "DB_PASSWORD="+second)
	for _, pod := range harness.Names(harness.PodsOf(t, app.Client, app.Namespace, app.Name, "stable")) {
		require.NotContains(t, before, pod, "a changed value rolls the pods")
	}

	rate := 200.0
	if testing.Short() {
		rate = 50 // beside what VerifySplit sends, and six pods that start: two busy processors carry no more
	}
	finish := app.Load(t, rate)
	for _, canary := range []int{10, 50, 100} {
		p.Set(t, "canaryWeight", fmt.Sprint(canary))
		p.Up(t)
		p.VerifySplit(t, 100-canary, canary)
	}
	tally := finish()
	require.Contains(t, ask(t, app, "/configs"), `"theme":"dark"`, "the file is mounted")
	harness.RequireNoneFailed(t, tally)
	require.Greater(t, tally.Requests(), 1000)
}

// environment is what podinfo says about its own.
func environment(t *testing.T, app harness.App) []string {
	t.Helper()
	var variables []string
	require.NoError(t, json.Unmarshal([]byte(ask(t, app, "/env")), &variables))
	return variables
}

// ask gives the answer of an app to a path, without spaces.
func ask(t *testing.T, app harness.App, path string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", app.Port, path), nil)
	require.NoError(t, err)
	request.Host = app.Host
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return strings.NewReplacer(" ", "", "\n", "").Replace(string(text))
}

// settings are a file for pods.
var settings = map[string]any{
	"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "e2e-settings"}, "data": map[string]any{"theme": "dark"},
}

const podinfoPod = `
spec:
  containers:
  - name: app
    resources:
      requests: {cpu: 20m, memory: 48Mi}
      limits: {memory: 128Mi}
    volumeMounts: [{name: settings, mountPath: /etc/podinfo, readOnly: true}]
  volumes:
  - name: settings
    configMap: {name: e2e-settings}
`
