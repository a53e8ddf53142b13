package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRegistries(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := filepath.Join(folder, "registries.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`
mirrors:
  localhost:5000:
    endpoint: ["http://k3d-canary-registry:5000"]
  "*":
    endpoint: ["https://cache.example.com:5443/hub", cache]
configs:
  cache.example.com:5443:
    auth: {username: me, password: 'p"w'}
    tls: {ca_file: /ca.pem, cert_file: /cert.pem, key_file: /key.pem}
  registry.example.com:
    tls: {insecure_skip_verify: true}
`), 0o600))
	r, err := readRegistries(file)
	require.NoError(t, err)
	certs := filepath.Join(folder, "certs.d")
	require.NoError(t, r.write(certs))
	for host, want := range map[string]string{
		"localhost:5000": `[host."http://k3d-canary-registry:5000"]
  capabilities = ["pull", "resolve"]

`,
		"_default": `[host."https://cache.example.com:5443/hub"]
  capabilities = ["pull", "resolve"]
  ca = "/ca.pem"
  client = [["/cert.pem", "/key.pem"]]

[host."https://cache"]
  capabilities = ["pull", "resolve"]

`,
		"registry.example.com": `server = "https://registry.example.com"
  skip_verify = true

`,
		"cache.example.com:5443": `server = "https://cache.example.com:5443"
  ca = "/ca.pem"
  client = [["/cert.pem", "/key.pem"]]

`,
	} {
		require.Equal(t, want, readFile(t, filepath.Join(certs, host, "hosts.toml")), host)
	}
	require.Equal(t, `
    [plugins."io.containerd.grpc.v1.cri".registry.configs."cache.example.com:5443".auth]
      username = "me"
      password = "p\"w"
      auth = ""
      identitytoken = ""
`, r.passwords())
}

func TestMirrorsOnly(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "registries.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`mirrors: {"localhost:5000": {endpoint: ["http://k3d-canary-registry:5000"]}}`), 0o600))
	r, err := readRegistries(file)
	require.NoError(t, err)
	r.mirrorsOnly = true
	require.Equal(t, `server = "http://k3d-canary-registry:5000"

[host."http://k3d-canary-registry:5000"]
  capabilities = ["pull", "resolve"]

`, r.hostsFile("localhost:5000"))
}

func TestNoRegistries(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	r, err := readRegistries(filepath.Join(folder, "registries.yaml"))
	require.NoError(t, err)
	require.NoError(t, r.write(filepath.Join(folder, "certs.d")))
	require.NoDirExists(t, filepath.Join(folder, "certs.d"))
	require.Empty(t, r.passwords())

	broken := filepath.Join(folder, "broken.yaml")
	require.NoError(t, os.WriteFile(broken, []byte("mirrors: [1]"), 0o600))
	_, err = readRegistries(broken)
	require.ErrorContains(t, err, broken)
}
