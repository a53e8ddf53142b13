package canary

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
)

// Where the ports of this machine are not the usual ones, HTTP is redirected to the one of HTTPS.
func TestRedirectToPort(t *testing.T) {
	t.Parallel()
	options := map[string]string{"tlsSecret": "shop-tls", "host": "shop.example.com www.example.com", "httpsPort": "8443"}
	r := preview(t, options)
	golden(t, "redirect-gateway", find(t, r, gatewayType, "app-http"))
	golden(t, "redirect-virtualservice", find(t, r, virtualServiceType, "app-http"))
	require.Contains(t, find(t, r, gatewayType, "app").Dependencies, "app-http", "HTTP is not served in between")

	// The usual port is not named, and that of the request is left out.
	options["httpPort"], options["httpsPort"] = "8080", "443"
	golden(t, "redirect-usual-virtualservice", find(t, preview(t, options), virtualServiceType, "app-http"))
}

func TestRedirectByTheGateway(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]map[string]string{
		"the usual ports":       {},
		"no port for HTTPS":     {"httpsPort": "0"},
		"a cluster of its own":  {"httpsPort": "8443", "clusterProvider": "existing", "kubeconfig": "~/.kube/config"},
		"no certificate at all": {"httpsPort": "8443", "tlsSecret": ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := map[string]string{"tlsSecret": "shop-tls"}
			maps.Copy(all, options)
			r := preview(t, all)
			require.Len(t, r.OfType(gatewayType), 1)
			require.Len(t, r.OfType(virtualServiceType), 1)
		})
	}
}
