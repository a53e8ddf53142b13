package cluster

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
)

const twoContexts = `apiVersion: v1
kind: Config
current-context: first
clusters:
- {name: one, cluster: {server: "https://one.example.com"}}
- {name: two, cluster: {server: "https://two.example.com", certificate-authority: ca.crt}}
contexts:
- {name: first, context: {cluster: one, user: me}}
- {name: second, context: {cluster: two, user: you}}
- {name: broken, context: {cluster: none, user: me}}
users:
- {name: me, user: {token: my-secret}}
- {name: you, user: {tokenFile: token, exec: null}}
`

// writeKubeconfig gives the path of a kubeconfig with the files that it refers to.
func writeKubeconfig(t *testing.T, content string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{"config": content, "ca.crt": "certificate", "token": "your-secret"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	return filepath.Join(folder, "config")
}

func TestLoadKubeconfig(t *testing.T) {
	t.Parallel()
	path := writeKubeconfig(t, twoContexts)
	for name, tc := range map[string]struct {
		source, context         string
		wantContext, wantServer string
	}{
		"path, current context":    {path, "", "first", "https://one.example.com"},
		"path, chosen context":     {path, "second", "second", "https://two.example.com"},
		"content, current context": {twoContexts, "", "first", "https://one.example.com"},
		"content in JSON": {
			`{"apiVersion":"v1","kind":"Config","current-context":"c","clusters":[{"name":"k","cluster":{"server":"https://k"}}],` +
				`"contexts":[{"name":"c","context":{"cluster":"k","user":"u"}}],"users":[{"name":"u","user":{"token":"t"}}]}`,
			"", "c", "https://k",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, context, err := loadKubeconfig(tc.source, tc.context)
			require.NoError(t, err)
			require.Equal(t, tc.wantContext, context)

			loaded, err := clientcmd.Load([]byte(text))
			require.NoError(t, err)
			require.Equal(t, tc.wantContext, loaded.CurrentContext)
			require.Len(t, loaded.Contexts, 1, "other contexts' secrets do not go into the state")
			require.Len(t, loaded.AuthInfos, 1)
			require.Equal(t, tc.wantServer, loaded.Clusters[loaded.Contexts[context].Cluster].Server)
		})
	}
}

func TestLoadKubeconfigIsSelfContained(t *testing.T) {
	t.Parallel()
	path := writeKubeconfig(t, twoContexts)
	text, _, err := loadKubeconfig(path, "second")
	require.NoError(t, err)
	loaded, err := clientcmd.Load([]byte(text))
	require.NoError(t, err)
	require.Equal(t, "certificate", string(loaded.Clusters["two"].CertificateAuthorityData))
	require.Equal(t, filepath.Join(filepath.Dir(path), "token"), loaded.AuthInfos["you"].TokenFile)
}

func TestLoadKubeconfigFromHome(t *testing.T) {
	path := writeKubeconfig(t, twoContexts)
	t.Setenv("HOME", filepath.Dir(path))
	_, context, err := loadKubeconfig("~/config", "")
	require.NoError(t, err)
	require.Equal(t, "first", context)
}

func TestLoadKubeconfigRefuses(t *testing.T) {
	t.Parallel()
	path := writeKubeconfig(t, twoContexts)
	noCurrent := "apiVersion: v1\nkind: Config\ncontexts:\n- {name: b, context: {cluster: c}}\n- {name: a, context: {cluster: c}}\n"
	for name, tc := range map[string]struct {
		source, context string
		want            []string
	}{
		"nothing":               {" ", "", []string{"kubeconfig is empty", "pulumi config set kubeconfig"}},
		"no such file":          {"/no/such/file", "", []string{`kubeconfig "/no/such/file"`, "no such file"}},
		"not a kubeconfig":      {writeKubeconfig(t, "my-secret: [\n"), "", []string{"is not a kubeconfig"}},
		"content, not one":      {"my-secret: [\n", "", []string{"the kubeconfig in the stack's configuration is not a kubeconfig"}},
		"unknown context":       {path, "third", []string{`no context "third"`, "broken, first, second", "pulumi config set context"}},
		"no current context":    {noCurrent, "", []string{"no current-context", "a, b", "pulumi config set context"}},
		"no contexts":           {"apiVersion: v1\nkind: Config\n", "", []string{"no current-context", "it has none"}},
		"context of no cluster": {path, "broken", []string{`context "broken"`, "cluster"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := loadKubeconfig(tc.source, tc.context)
			require.Error(t, err)
			for _, want := range tc.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "my-secret")
		})
	}
}
