package main

import (
	"crypto/x509"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// testNode is a server whose files are in a temporary folder.
func testNode(t *testing.T, change func(*options)) *node {
	t.Helper()
	dir := t.TempDir()
	o := options{role: roleServer, token: "secret", componentArgs: map[string][]string{}}
	if change != nil {
		change(&o)
	}
	return &node{
		options: o, name: "server-0", ip: "172.18.0.3",
		layout: layout{
			data: filepath.Join(dir, "data"), kubeconfig: filepath.Join(dir, "k3s.yaml"), containerd: filepath.Join(dir, "containerd"),
			cniState: filepath.Join(dir, "networks"), logs: filepath.Join(dir, "logs"), run: filepath.Join(dir, "run"),
			images: filepath.Join(dir, "images"), kube: filepath.Join(dir, "kube"), ctr: filepath.Join(dir, "ctr"),
		},
		log: newLogger(io.Discard),
	}
}

func certificate(t *testing.T, n *node, name string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(n.tls(name + ".crt"))
	require.NoError(t, err)
	cert, err := parseCertificate(text)
	require.NoError(t, err)
	return cert
}

func TestPKI(t *testing.T) {
	t.Parallel()
	n := testNode(t, func(o *options) { o.tlsSANs = []string{"0.0.0.0", "k3d-canary-serverlb"} })
	p, err := n.openPKI()
	require.NoError(t, err)

	cert := certificate(t, n, "kube-apiserver")
	for _, name := range []string{"kubernetes.default.svc", "server-0", "172.18.0.3", "10.43.0.1", "127.0.0.1", "0.0.0.0", "k3d-canary-serverlb"} {
		require.NoError(t, cert.VerifyHostname(name), name)
	}
	verify := func(name string, by *authority, usage x509.ExtKeyUsage) error {
		roots := x509.NewCertPool()
		roots.AddCert(by.cert)
		_, err := certificate(t, n, name).Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}})
		return err
	}
	require.NoError(t, verify("kube-apiserver", p.server, x509.ExtKeyUsageServerAuth))
	require.NoError(t, verify("kubelet", p.client, x509.ExtKeyUsageClientAuth))
	require.NoError(t, verify("auth-proxy", p.requestHeader, x509.ExtKeyUsageClientAuth))
	require.Error(t, verify("auth-proxy", p.client, x509.ExtKeyUsageClientAuth), "a front proxy is no client")
	require.Error(t, verify("kube-apiserver", p.client, x509.ExtKeyUsageServerAuth))
	require.Equal(t, "system:node:server-0", certificate(t, n, "kubelet").Subject.CommonName)
	require.Equal(t, []string{"system:nodes"}, certificate(t, n, "kubelet").Subject.Organization)
	require.Equal(t, []string{"system:masters"}, certificate(t, n, "admin").Subject.Organization)

	for _, key := range []string{"server-ca.key", "kube-apiserver.key", "service.key"} {
		info, err := os.Stat(n.tls(key))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), key)
	}
}

func TestPKIOutlivesAStart(t *testing.T) {
	t.Parallel()
	n := testNode(t, nil)
	_, err := n.openPKI()
	require.NoError(t, err)
	read := func() map[string]string {
		files, err := filepath.Glob(n.tls("*"))
		require.NoError(t, err)
		content := map[string]string{}
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			content[filepath.Base(file)] = string(text)
		}
		return content
	}
	before := read()
	_, err = n.openPKI()
	require.NoError(t, err)
	require.Equal(t, before, read())

	n.ip = "172.18.0.7"
	_, err = n.openPKI()
	require.NoError(t, err)
	after := read()
	cert := certificate(t, n, "kube-apiserver")
	require.NoError(t, cert.VerifyHostname("172.18.0.7"))
	require.Error(t, cert.VerifyHostname("172.18.0.3"), "an address that it no longer has")
	for _, changed := range []string{"kube-apiserver.crt", "kube-apiserver.key"} {
		require.NotEqual(t, before[changed], after[changed])
		delete(before, changed)
		delete(after, changed)
	}
	require.Equal(t, before, after, "all else is kept")
}

func TestEnsureIssuesAnew(t *testing.T) {
	t.Parallel()
	id := identity{commonName: "a", organization: "o", names: []string{"a.example", "10.0.0.1"}, usage: x509.ExtKeyUsageClientAuth}
	for name, spoil := range map[string]func(t *testing.T, base string, id *identity){
		"another common name":  func(_ *testing.T, _ string, id *identity) { id.commonName = "b" },
		"another organization": func(_ *testing.T, _ string, id *identity) { id.organization = "" },
		"another name":         func(_ *testing.T, _ string, id *identity) { id.names = []string{"b.example"} },
		"another address":      func(_ *testing.T, _ string, id *identity) { id.names = []string{"10.0.0.2"} },
		"no key":               func(t *testing.T, base string, _ *identity) { require.NoError(t, os.Remove(base+".key")) },
		"a broken certificate": func(t *testing.T, base string, _ *identity) {
			require.NoError(t, os.WriteFile(base+".crt", []byte("x"), 0o600))
		},
		"another key": func(t *testing.T, base string, _ *identity) {
			_, err := openAuthority(base+"-other", "other")
			require.NoError(t, err)
			require.NoError(t, os.Rename(base+"-other.key", base+".key"))
		},
		"another authority": func(t *testing.T, base string, id *identity) {
			other, err := openAuthority(base+"-other", "ca")
			require.NoError(t, err)
			require.NoError(t, os.Remove(base+".crt"))
			issued, err := other.ensure(base, *id)
			require.NoError(t, err)
			require.True(t, issued)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ca, err := openAuthority(filepath.Join(dir, "ca"), "ca")
			require.NoError(t, err)
			base, id := filepath.Join(dir, "a"), id
			issued, err := ca.ensure(base, id)
			require.NoError(t, err)
			require.True(t, issued)
			issued, err = ca.ensure(base, id)
			require.NoError(t, err)
			require.False(t, issued)
			spoil(t, base, &id)
			issued, err = ca.ensure(base, id)
			require.NoError(t, err)
			require.True(t, issued)
			issued, err = ca.ensure(base, id)
			require.NoError(t, err)
			require.False(t, issued)
		})
	}
}

func TestFitsNoLongerNearItsEnd(t *testing.T) {
	t.Parallel()
	base := filepath.Join(t.TempDir(), "a")
	ca, err := openAuthority(base+"-ca", "ca")
	require.NoError(t, err)
	_, err = ca.ensure(base, identity{commonName: "a"})
	require.NoError(t, err)
	text, err := os.ReadFile(base + ".crt")
	require.NoError(t, err)
	cert, err := parseCertificate(text)
	require.NoError(t, err)
	require.True(t, ca.fits(base, identity{commonName: "a"}, cert.NotAfter.Add(-2*renewBefore)))
	require.False(t, ca.fits(base, identity{commonName: "a"}, cert.NotAfter.Add(-renewBefore/2)))
}
