package stack

import (
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/drift"
)

const exported = `{"version":3,"deployment":{"resources":[
	{"type":"pulumi:pulumi:Stack","outputs":{"url":"http://app.test"}},
	{"type":"pulumi:providers:kubernetes","inputs":{"kubeconfig":{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","ciphertext":"v1:x"}}},
	{"type":"command:local:Command","inputs":{"kind":"x","apiVersion":"y","metadata":{"name":"z"}}},
	{"type":"kubernetes:core/v1:Namespace","external":true,"inputs":{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"others"}}},
	{"type":"kubernetes:helm.sh/v3:Release","urn":"urn:pulumi:dev::canary::kubernetes:helm.sh/v3:Release::istiod","inputs":{"chart":"istiod","name":"istiod"}},
	{"type":"kubernetes:core/v1:Namespace","inputs":{"apiVersion":"v1","kind":"Namespace","metadata":{
		"annotations":{"pulumi.com/patchForce":"true"},"labels":{"istio-injection":"enabled"},"name":"shop"}}},
	{"type":"kubernetes:core/v1:Secret","inputs":{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"shop"},
		"data":{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","ciphertext":"v1:y"},
		"stringData":{"open":"a","hidden":{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","ciphertext":"v1:x"}}}}
]}}`

func TestParseWritten(t *testing.T) {
	t.Parallel()
	got, err := parseWritten([]byte(exported))
	require.NoError(t, err)
	require.Equal(t, &Record{
		Objects: []drift.Object{
			{APIVersion: "v1", Kind: "Namespace", Name: "shop", Fields: map[string]any{"metadata": map[string]any{"labels": map[string]any{"istio-injection": "enabled"}}}},
			{APIVersion: "v1", Kind: "Secret", Namespace: "shop", Name: "s", Fields: map[string]any{"stringData": map[string]any{"open": "a"}}},
		},
		Releases: map[string]string{"istiod": "urn:pulumi:dev::canary::kubernetes:helm.sh/v3:Release::istiod"},
	}, got)

	none, err := parseWritten([]byte(`{"version":3,"deployment":{}}`))
	require.NoError(t, err)
	require.Empty(t, none.Objects)
	require.Empty(t, none.Releases)
	_, err = parseWritten([]byte(`["s3cret"`))
	require.EqualError(t, err, "the stack's state is not as `pulumi stack export` writes it")
}

//nolint:paralleltest // the fake is found on the PATH of the whole process
func TestWritten(t *testing.T) {
	fakePulumi(t, `[ "$*" = "stack export --non-interactive --stack dev" ] || { echo "error: got $*" >&2; exit 1; }
echo '`+exported+`'`)
	got, err := Written(t.Context(), "dev")
	require.NoError(t, err)
	require.Len(t, got.Objects, 2)
	_, err = Written(t.Context(), "other")
	require.ErrorContains(t, err, "got stack export --non-interactive --stack other")
}
