//go:build e2e

package e2e

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canary/internal/certtest"
	"canary/internal/traffic"
	"canary/test/e2e/harness"
)

// TestTLS serves the app over HTTPS, answers HTTP with a redirect, exchanges the certificate under load, adds a second
// host in place, and refuses a pair that does not fit without touching the one that is served.
func TestTLS(t *testing.T) {
	harness.Long(t)
	p := harness.NewProject(t, "agents=0", fmt.Sprintf("httpsPort=%d", harness.FreePort(t)))
	t.Cleanup(func() { p.Destroy(t) })
	const (
		host  = "app-example.app-example.localhost"
		other = "www.app-example.localhost"
	)
	now := time.Now()
	serve := func(certificate, key string) {
		require.NoError(t, os.WriteFile(filepath.Join(p.Dir, "certificate.pem"), []byte(certificate), 0o600))
		p.SetSecret(t, "tlsKey", key)
	}
	first, firstKey := certtest.Pair(t, now.AddDate(1, 0, 0), host)
	p.Set(t, "tlsCertificate", "certificate.pem")
	serve(first, firstKey)
	require.NotContains(t, p.Up(t), "certificate of")
	p.VerifySplit(t, 100, 0)
	t.Log(harness.Run(t, p.Dir, p.Env, "canary", "status", "--stack", p.Stack)) // fails where it finds a difference

	url := p.OutputText(t, "url")
	t.Run("redirect", func(t *testing.T) { requireRedirect(t, p.Port, host, url) })

	second, secondKey := certtest.Pair(t, now.AddDate(2, 0, 0), host)
	t.Run("exchange under load", func(t *testing.T) {
		both := x509.NewCertPool()
		both.AppendCertsFromPEM([]byte(first))
		both.AppendCertsFromPEM([]byte(second))
		finish := harness.Send(t, traffic.Options{URL: url, Rate: 100, RootCAs: both})
		serve(second, secondKey)
		p.Set(t, "canaryWeight", "50")
		p.Up(t)
		harness.Eventually(t, time.Minute, func(context.Context) error { return served(url, second) })
		p.Set(t, "canaryWeight", "0")
		p.Up(t)
		harness.RequireNoneFailed(t, finish())
	})

	t.Run("a foreign Gateway with the host", func(t *testing.T) {
		a := p.Example(t)
		require.NoError(t, harness.Objects(a.Client, harness.Gateways, a.Namespace).Delete(t.Context(), a.Name, metav1.DeleteOptions{}))
		remove := foreign(t, a.Client, harness.Gateways, "Gateway", "default", "a-https", map[string]any{
			"selector": map[string]any{"istio": "ingressgateway"},
			"servers": []any{map[string]any{
				"port": map[string]any{"number": int64(443), "name": "https", "protocol": "HTTPS"}, "hosts": []any{host},
				"tls": map[string]any{"mode": "SIMPLE", "credentialName": "app-example-app-example-tls"},
			}},
		})
		requireNamed(t, p, remove, "Gateway default/a-https has the app's host "+host+" on port 443, and is older than the app's: take the host out of it, or remove it", "--refresh")
		p.VerifySplit(t, 100, 0)
	})

	third, thirdKey := certtest.Pair(t, now.AddDate(3, 0, 0), host, other)
	t.Run("a second host", func(t *testing.T) {
		p.Set(t, "host", host+" "+other)
		serve(third, thirdKey)
		p.Up(t)
		require.Equal(t, map[string]int{"update": 5}, p.Changes(t), "the Secret, the Gateway, the VirtualService, and both that redirect HTTP")
		require.JSONEq(t, `["`+host+`","`+other+`"]`, p.Output(t, "hosts"))
		require.Equal(t, url, p.OutputText(t, "url"))
		for _, name := range []string{host, other} {
			of := strings.Replace(url, host, name, 1)
			harness.Eventually(t, time.Minute, func(context.Context) error { return served(of, third) })
			requireRedirect(t, p.Port, name, of)
		}
		t.Log(harness.Run(t, p.Dir, p.Env, "canary", "status", "--stack", p.Stack)) // fails where it finds a difference
		p.VerifySplit(t, 100, 0)
	})

	others, othersKey := certtest.Pair(t, now.AddDate(1, 0, 0), "other.example.com")
	for name, tc := range map[string]struct{ certificate, key, says string }{
		"a wrong pair":     {first, thirdKey, `tlsCertificate: found "certificate.pem" that is no pair with tlsKey (private key does not match public key); allowed: a certificate of every name in host in PEM, or the path of a file with it; for example: pulumi config set tlsCertificate certificate.pem`},
		"for another host": {others, othersKey, `tlsCertificate: found "certificate.pem" that is for other.example.com, and not for host "` + host + `", "` + other + `"; allowed: `},
		"for one of both":  {second, secondKey, `tlsCertificate: found "certificate.pem" that is for ` + host + `, and not for host "` + other + `"; allowed: `},
	} {
		t.Run(name, func(t *testing.T) {
			serve(tc.certificate, tc.key)
			o := p.Attempt(t, harness.UpArgs...)
			require.NotZero(t, o.Code)
			require.Contains(t, o.All, tc.says)
			t.Log(harness.LineWith(o.All, "tlsCertificate:"))
			require.NoError(t, served(url, third))
		})
	}

	t.Run("ended", func(t *testing.T) {
		serve(certtest.Pair(t, now.Add(-time.Hour), host, other))
		out := p.Up(t)
		line := harness.LineWith(out, "has ended")
		require.Contains(t, line, "the certificate of "+host+", "+other+" has ended on "+now.Add(-time.Hour).UTC().Format(time.DateOnly)+", and clients refuse it")
		t.Log(line)
	})
}

// requireRedirect asks for the host over HTTP, at a port of this machine, and fails the test unless it is sent to HTTPS,
// whose URL is given. Clients name a port that is not the usual one.
func requireRedirect(t *testing.T, port int, host, https string) {
	t.Helper()
	for _, asked := range []string{host, fmt.Sprintf("%s:%d", host, port)} {
		requireRedirectOf(t, port, asked, https+"/path")
	}
}

func requireRedirectOf(t *testing.T, port int, host, to string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/path", port), nil)
	require.NoError(t, err)
	request.Host = host
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusMovedPermanently, response.StatusCode)
	require.Equal(t, to, response.Header.Get("Location"), host)
}

// served fails unless the gateway gives the certificate.
func served(url, certificate string) error {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(certificate))
	var failed error
	err := traffic.Run(context.Background(), traffic.Options{URL: url, Count: 1, RootCAs: pool, Timeout: traffic.DefaultTimeout, OnResult: func(r traffic.Result) {
		failed = r.Err
	}})
	if err != nil {
		return err
	}
	return failed
}
