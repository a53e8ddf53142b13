package config

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/certtest"
)

func TestTLS(t *testing.T) {
	t.Parallel()
	ends := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	certificate, key := certtest.Pair(t, ends, "shop.example.com", "www.example.com")
	_, otherKey := certtest.Pair(t, ends, "shop.example.com")
	files := t.TempDir()
	for name, text := range map[string]string{"certificate.pem": certificate, "key.pem": key} {
		require.NoError(t, os.WriteFile(filepath.Join(files, name), []byte(text), 0o600))
	}
	const one = "1 problem in the stack's configuration:\n  "
	for name, tc := range map[string]struct {
		values map[string]string
		want   string
	}{
		"in place":       {values: map[string]string{"host": "shop.example.com", "tlsCertificate": certificate, "tlsKey": key}},
		"as files":       {values: map[string]string{"host": "www.example.com", "tlsCertificate": filepath.Join(files, "certificate.pem"), "tlsKey": filepath.Join(files, "key.pem")}},
		"another's key":  {map[string]string{"host": "shop.example.com", "tlsCertificate": certificate, "tlsKey": otherKey}, "that is no pair with tlsKey (private key does not match public key); allowed: a certificate of every name in host in PEM"},
		"no certificate": {map[string]string{"tlsCertificate": "-----BEGIN nothing", "tlsKey": key}, "that is no pair with tlsKey (failed to find any PEM data in certificate input)"},
		"for others":     {map[string]string{"host": "mail.example.com", "tlsCertificate": certificate, "tlsKey": key}, `that is for shop.example.com, www.example.com, and not for host "mail.example.com"; allowed: `},
		"for both":       {values: map[string]string{"host": "www.example.com shop.example.com", "tlsCertificate": certificate, "tlsKey": key}},
		"for some":       {map[string]string{"host": "a.example.com,shop.example.com,b.example.com", "tlsCertificate": certificate, "tlsKey": key}, `that is for shop.example.com, www.example.com, and not for host "a.example.com", "b.example.com"; allowed: `},
		"no key":         {map[string]string{"host": "shop.example.com", "tlsCertificate": certificate}, one + "tlsKey: found nothing with tlsCertificate; allowed: the private key of tlsCertificate in PEM, or the path of a file with it; run: pulumi config set --secret tlsKey < key.pem"},
		"only a key":     {map[string]string{"tlsKey": key}, one + "tlsKey: found a value that is not shown without tlsCertificate; "},
		"no file":        {map[string]string{"tlsCertificate": "no/such.pem", "tlsKey": key}, `tlsCertificate: found "no/such.pem", which cannot be read: no such file or directory; allowed: `},
		"both ways":      {map[string]string{"host": "shop.example.com", "tlsCertificate": certificate, "tlsKey": key, "tlsSecret": "shop"}, one + `tlsSecret: found "shop" with tlsCertificate; `},
		"a Secret":       {values: map[string]string{"tlsSecret": "shop-tls"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := Parse(tc.values)
			if tc.want != "" {
				require.ErrorContains(t, err, tc.want)
				require.NotContains(t, err.Error(), "PRIVATE")
				return
			}
			require.NoError(t, err)
			require.True(t, config.TLS.On())
			require.Equal(t, 443, config.Cluster.HTTPSPort)
			if config.TLS.Secret == "" {
				require.Equal(t, TLS{Certificate: certificate, Key: key, Ends: ends}, config.TLS)
			}
		})
	}
}

// That a certificate has ended is told, and holds nothing up.
func TestWarnings(t *testing.T) {
	t.Parallel()
	ends := time.Date(2030, 1, 20, 0, 0, 0, 0, time.UTC)
	certificate, key := certtest.Pair(t, ends, "shop.example.com")
	config, err := Parse(map[string]string{"host": "shop.example.com", "tlsCertificate": certificate, "tlsKey": key})
	require.NoError(t, err)
	for before, want := range map[time.Duration][]string{
		15 * 24 * time.Hour: nil,
		13 * 24 * time.Hour: {"the certificate of shop.example.com ends on 2030-01-20, in 13 days: set another as tlsCertificate and tlsKey before"},
		-time.Hour:          {"the certificate of shop.example.com has ended on 2030-01-20, and clients refuse it: set another as tlsCertificate and tlsKey"},
	} {
		require.Equal(t, want, config.Warnings(ends.Add(-before)))
	}
	config, err = Parse(map[string]string{"host": "a.example.com b.example.com", "tlsSecret": "shop-tls"})
	require.NoError(t, err)
	config.TLS.Ends = ends
	require.Contains(t, config.Warnings(ends)[0], "the certificate of a.example.com, b.example.com has ended on 2030-01-20, ")
	plain, err := Parse(nil)
	require.NoError(t, err)
	require.Empty(t, plain.Warnings(ends))
}
