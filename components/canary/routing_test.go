package canary

import (
	"encoding/base64"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/certtest"
)

func TestRouting(t *testing.T) {
	t.Parallel()
	elsewhere := map[string]string{"name": "shop", "namespace": "store", "host": "shop.example.com", "canaryWeight": "50"}
	several := map[string]string{"name": "shop", "host": "shop.example.com, www.example.com"}
	cases := []struct {
		golden, token string
		options       map[string]string
	}{
		{"gateway", gatewayType, nil},
		{"destinationrule", destinationRuleType, nil},
		{"outlier-destinationrule", destinationRuleType, map[string]string{"outlierDetection": "true"}},
		{"virtualservice-0", virtualServiceType, nil},
		{"virtualservice-0.05", virtualServiceType, map[string]string{"canaryWeight": "0.05"}},
		{"virtualservice-12.5", virtualServiceType, map[string]string{"canaryWeight": "12.5"}},
		{"virtualservice-50", virtualServiceType, map[string]string{"canaryWeight": "50"}},
		{"virtualservice-100", virtualServiceType, map[string]string{"canaryWeight": "100"}},
		{"peerauthentication", policyType, nil},
		{"foreign-gateway", gatewayType, map[string]string{
			"clusterProvider": "existing", "kubeconfig": "~/.kube/config", "istioInstall": "false", "istioGateway": "ingress",
		}},
		{"user-gateway", gatewayType, elsewhere},
		{"hosts-gateway", gatewayType, several},
		{"hosts-virtualservice", virtualServiceType, several},
		{"hosts-tls-gateway", gatewayType, with(several, "tlsSecret", "shop-tls")},
		{"tls-gateway", gatewayType, map[string]string{"tlsSecret": "shop-tls"}},
		{"port-gateway", gatewayType, map[string]string{"tlsSecret": "shop-tls", "httpsPort": "8443"}},
		{"user-destinationrule", destinationRuleType, elsewhere},
		{"user-virtualservice", virtualServiceType, elsewhere},
		{"header-virtualservice", virtualServiceType, map[string]string{"canaryHeader": "x-canary"}},
		{"mirror-virtualservice", virtualServiceType, map[string]string{"mirrorPercent": "12.5", "canaryWeight": "5"}},
		{"sticky-virtualservice", virtualServiceType, map[string]string{"stickyCookie": "v", "canaryWeight": "50"}},
		{"extras-virtualservice", virtualServiceType, with(with(with(elsewhere, "canaryHeader", "x-canary=1"), "mirrorPercent", "100"), "stickyCookie", "v")},
		{"sticky-envoyfilter", envoyFilterType, map[string]string{"stickyCookie": "v", "stickySeconds": "3600"}},
		{"foreign-envoyfilter", envoyFilterType, map[string]string{
			"clusterProvider": "existing", "kubeconfig": "~/.kube/config", "istioInstall": "false", "istioGateway": "ingress", "istioNamespace": "mesh",
			"stickyCookie": "v", "name": "shop", "namespace": "store", "host": "shop.example.com", "tlsSecret": "shop-tls",
		}},
	}
	for _, tc := range cases {
		t.Run(tc.golden, func(t *testing.T) {
			t.Parallel()
			golden(t, tc.golden, find(t, preview(t, tc.options), tc.token, "app"))
		})
	}
}

// with has one option more.
func with(options map[string]string, key, value string) map[string]string {
	all := maps.Clone(options)
	all[key] = value
	return all
}

// A change of the hosts is an update of the two objects that have them, and replaces neither.
func TestHostsChangeTwoObjects(t *testing.T) {
	t.Parallel()
	before := preview(t, map[string]string{"host": "shop.example.com"})
	after := preview(t, map[string]string{"host": "shop.example.com www.example.com"})
	require.Len(t, after.All(), len(before.All()))
	var changed []string
	for _, was := range before.All() {
		is := find(t, after, was.Type, was.Name)
		require.Equal(t, was.Dependencies, is.Dependencies)
		require.Equal(t, was.Inputs["metadata"], is.Inputs["metadata"])
		if !was.Inputs.DeepEquals(is.Inputs) {
			changed = append(changed, was.Type)
		}
	}
	require.ElementsMatch(t, []string{gatewayType, virtualServiceType}, changed)
}

// A weight change is one update of one object.
func TestWeightChangesOneObject(t *testing.T) {
	t.Parallel()
	before := preview(t, nil)
	for _, weight := range []string{"0.05", "12.5", "50", "100"} {
		after := preview(t, map[string]string{"canaryWeight": weight})
		require.Len(t, after.All(), len(before.All()))
		var changed []string
		for _, was := range before.All() {
			is := find(t, after, was.Type, was.Name)
			require.Equal(t, was.Dependencies, is.Dependencies)
			if !was.Inputs.DeepEquals(is.Inputs) {
				changed = append(changed, was.Type)
			}
		}
		require.Equal(t, []string{virtualServiceType}, changed, "canaryWeight %s", weight)
	}
}

// A canary without pods is sent nothing: neither who asks for it nor a copy.
func TestNoExtrasWithoutCanary(t *testing.T) {
	t.Parallel()
	plain := find(t, preview(t, map[string]string{"canaryReplicas": "0"}), virtualServiceType, "app")
	off := map[string]string{"canaryReplicas": "0", "canaryHeader": "x-canary", "mirrorPercent": "10"}
	require.Equal(t, plain.Inputs, find(t, preview(t, off), virtualServiceType, "app").Inputs)
}

// A user is a number below the sum of the weights, and stays with the canary when its share
// grows: the sum is always the same, and stable comes first.
func TestStickyWeights(t *testing.T) {
	t.Parallel()
	for _, weight := range []string{"0", "0.05", "1", "12.5", "50", "100"} {
		split := weights(configuration(t, map[string]string{"canaryWeight": weight, "stickyCookie": "v"}))
		require.Equal(t, int32(10_000), split.Stable+split.Canary, weight)
		require.True(t, split.Equal(weights(configuration(t, map[string]string{"canaryWeight": weight}))), weight)
	}
}

// The EnvoyFilter is there before the split that it is for.
func TestStickyOrder(t *testing.T) {
	t.Parallel()
	r := preview(t, map[string]string{"stickyCookie": "v"})
	require.Contains(t, typesOf(find(t, r, virtualServiceType, "app").RPC.GetDependencies()), envoyFilterType)
}

// The certificate and its key are in one Secret beside the gateway's pods, and the Gateway
// comes after it.
func TestTLSSecret(t *testing.T) {
	t.Parallel()
	certificate, key := certtest.Pair(t, time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC), "shop.example.com")
	r := preview(t, map[string]string{"name": "shop", "host": "shop.example.com", "tlsCertificate": certificate, "tlsKey": key})
	secret := find(t, r, secretType, "app-tls")
	require.Equal(t, "kubernetes.io/tls", secret.Inputs["type"].StringValue())
	require.True(t, secret.Inputs["data"].IsSecret())
	require.Equal(t, map[string]any{
		"tls.crt": base64.StdEncoding.EncodeToString([]byte(certificate)), "tls.key": base64.StdEncoding.EncodeToString([]byte(key)),
	}, secret.Inputs["data"].SecretValue().Element.ObjectValue().Mappable())
	metadata := secret.Inputs["metadata"].ObjectValue()
	require.Equal(t, "istio-system/shop-shop-tls", metadata["namespace"].StringValue()+"/"+metadata["name"].StringValue())
	gateway := find(t, r, gatewayType, "app")
	require.Contains(t, typesOf(gateway.RPC.GetDependencies()), secretType)
	require.Contains(t, fmt.Sprint(gateway.Inputs.Mappable()), "credentialName:shop-shop-tls")
}
