package stack

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/release"
)

const good = `{"url":"http://app.test","split":{"stable":100,"canary":0},"kubeconfig":"key: s3cret","virtualService":"shop/web"}`

func TestParse(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, json, want string
	}{
		{name: "no outputs", json: `{}`, want: "the stack is not up: it has no output url, kubeconfig, virtualService; type `pulumi up`"},
		{name: "one is missing", json: `{"url":"u","kubeconfig":"k"}`, want: "the stack is not up: it has no output virtualService; type `pulumi up`"},
		{
			name: "another project, and the error shows no secret", json: `{"url":{"kubeconfig":"s3cret"}}`,
			want: "the stack's outputs are not those of this project: url, kubeconfig and virtualService are to be strings, hosts a list of them, and split numbers by subset",
		},
		{
			name: "no namespace", json: `{"url":"u","kubeconfig":"k","virtualService":"web"}`,
			want: `the stack's output virtualService is "web", and NAMESPACE/NAME is expected`,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := parse([]byte(c.json))
			require.EqualError(t, err, c.want)
		})
	}
	_, err := parse([]byte(`{}`))
	require.ErrorIs(t, err, ErrNotUp)
}

func TestApp(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		outputs string
		want    release.App
	}{
		"of before there were several hosts": {good, release.App{Namespace: "shop", Name: "web", Hosts: []string{"app.test"}}},
		"several hosts": {
			strings.Replace(good, `"http://app.test"`, `"https://app.test:8443","hosts":["app.test","www.test"]`, 1),
			release.App{Namespace: "shop", Name: "web", Hosts: []string{"app.test", "www.test"}, TLS: true},
		},
		"what its routes do beside": {
			strings.Replace(good, `"split"`, `"extras":{"canaryHeader":"x-canary","mirrorPercent":12.5,"stickyCookie":"v"},"split"`, 1),
			release.App{Namespace: "shop", Name: "web", Hosts: []string{"app.test"}, Extras: release.Extras{Header: "x-canary", Mirrored: 12.5, Cookie: "v"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outputs, err := parse([]byte(tc.outputs))
			require.NoError(t, err)
			app, err := outputs.App()
			require.NoError(t, err)
			require.Equal(t, tc.want, app)
		})
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	outputs, err := parse([]byte(good))
	require.NoError(t, err)
	require.Equal(t, "key: s3cret", string(outputs.Kubeconfig))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		require.NotContains(t, fmt.Sprintf(verb, *outputs), "s3cret")
		require.NotContains(t, fmt.Sprintf(verb, *outputs), "115", "nor as numbers")
	}
}

func TestExisting(t *testing.T) {
	t.Parallel()
	for provider, existing := range map[string]bool{"existing": true, "k3d": false, "": false} {
		outputs, err := parse([]byte(strings.Replace(good, "{", `{"clusterProvider":"`+provider+`",`, 1)))
		require.NoError(t, err)
		require.Equal(t, existing, outputs.Existing, provider)
	}
}

// fakePulumi puts a pulumi on PATH that runs a shell script.
func fakePulumi(t *testing.T, script string) {
	t.Helper()
	folder := t.TempDir()
	path := filepath.Join(folder, "pulumi")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700))
	t.Setenv("PATH", folder)
}

//nolint:paralleltest // the fake is found on the PATH of the whole process
func TestRead(t *testing.T) {
	for name, expected := range map[string]string{
		"":    "stack output --json --show-secrets --non-interactive",
		"dev": "stack output --json --show-secrets --non-interactive --stack dev",
	} {
		t.Run("stack "+name, func(t *testing.T) { //nolint:paralleltest // as above
			fakePulumi(t, `[ "$*" = "`+expected+`" ] || { echo "error: got $*" >&2; exit 1; }
echo 'warning: something' >&2
echo '`+good+`'`)
			outputs, err := Read(t.Context(), name)
			require.NoError(t, err)
			require.Equal(t, &Outputs{URL: "http://app.test", Kubeconfig: Secret("key: s3cret"), Namespace: "shop", Name: "web", Split: map[string]float64{"stable": 100, "canary": 0}}, outputs)
		})
	}
}

func TestReadExplainsFailures(t *testing.T) {
	const command = "`pulumi stack output --json --show-secrets --non-interactive`: "
	cases := []struct {
		name, said, want string
	}{
		{
			name: "no account", said: "error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions",
			want: command + "PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions\nif this shell is not set up for the project yet, type `eval \"$(make -s env)\"` in the project's folder",
		},
		{
			name: "no project", said: "error: no Pulumi.yaml project file found (searching upwards from /)",
			want: command + "no Pulumi.yaml project file found (searching upwards from /)\nchange to the project's folder (where Pulumi.yaml is) and type it again",
		},
		{
			name: "no stack", said: "error: no stack selected; please use `pulumi stack select` to choose one",
			want: command + "no stack selected; please use `pulumi stack select` to choose one\nname a stack with --stack, or type `pulumi stack select`",
		},
		{
			name: "unknown stack", said: "error: no stack named 'dev' found",
			want: command + "no stack named 'dev' found\n`pulumi stack ls` lists the stacks; `pulumi up` makes one",
		},
		{
			name: "silence", said: "",
			want: command + "exit status 255\nif this shell is not set up for the project yet, type `eval \"$(make -s env)\"` in the project's folder",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("SAID", c.said)
			fakePulumi(t, `printf '%s\n' "$SAID" >&2; exit 255`)
			_, err := Read(t.Context(), "")
			require.EqualError(t, err, c.want)
		})
	}
}

func TestReadWithoutPulumi(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Read(t.Context(), "")
	require.EqualError(t, err, "pulumi is not on PATH: type `eval \"$(make -s env)\"` in the project's folder, or install the Pulumi CLI")
}
