package config

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/pins"
)

// Every rule with values that are just allowed, and with values that are not and the line that says so.
// The line is given up to "allowed: ", and what follows it once for each key.
func TestRules(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("a", n) }
	existing := map[string]string{"clusterProvider": "existing", "kubeconfig": "~/.kube/config"}
	others := map[string]string{"clusterProvider": "existing", "kubeconfig": "~/.kube/config", "istioInstall": "false"}
	const (
		image  = "an image reference with a tag or a digest; for example: pulumi config set "
		digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	)
	for _, tc := range []struct {
		key     string
		with    map[string]string
		good    []string
		bad     []string
		allowed string
	}{
		{
			key:     "canaryWeight",
			good:    []string{"0", "0.01", "50", "99.99", "100", "100.00"},
			bad:     []string{"", "-1", "+1", "100.01", "101", "1.234", "1.", ".5", "1e1", "05", " 5", "5%", "half"},
			allowed: "a percentage from 0 to 100 with at most two decimals, digits only; for example: pulumi config set canaryWeight 12.5",
		}, {
			key:  "canaryHeader",
			good: []string{"", "x-canary", "x-canary=1", "1=a=b", long(63), "a=" + strings.Repeat("~", 128)},
			bad: []string{
				"X-Canary", "x canary", "x_canary", "-x", "x-canary=", "x-canary=a b", "x-canary=ä", "=1", long(64), "a=" + long(129),
				"host", "cookie=a=b", "x-request-id", "x-canary-ask", "x-canary-ask=1", "x-forwarded-for", "x-envoy-retry-on",
			},
			allowed: "NAME or NAME=VALUE, NAME of at most 63 characters a-z, 0-9 and - and no header of the proxies' (host, cookie, x-request-id, " +
				"x-canary-ask, x-forwarded-*, x-envoy-*), VALUE of at most 128 visible ASCII characters; for example: pulumi config set canaryHeader x-canary",
		}, {
			key:     "mirrorPercent",
			good:    []string{"0", "0.01", "100"},
			bad:     []string{"", "100.01", "1.234", "5%"},
			allowed: "a percentage from 0 to 100 with at most two decimals, digits only; for example: pulumi config set mirrorPercent 10",
		}, {
			key:     "stickyCookie",
			good:    []string{"", "v", "App_Version-2", long(64)},
			bad:     []string{"a b", "a.b", "a=b", "a;b", "ä", long(65)},
			allowed: "a cookie's name: letters, digits, - and _, at most 64 characters, and only with Istio 1.28 or later; for example: pulumi config set stickyCookie app-version",
		}, {
			key: "stickySeconds", good: []string{"1", "34560000"}, bad: []string{"", "0", "34560001", "1h"},
			allowed: "a whole number from 1 to 34560000; for example: pulumi config set stickySeconds 2592000",
		}, {
			key:     "name",
			good:    []string{"a", "app-2", long(56)},
			bad:     []string{"", "App", "1app", "-app", "app-", "app.example", "app_example", "app example", long(57), "äpp"},
			allowed: "a DNS label (a-z, 0-9 and -) that starts with a letter, at most 56 characters; for example: pulumi config set name app-example",
		}, {
			key:  "namespace",
			good: []string{"", "1app", "a", long(63), "kube", "istio"},
			bad:  []string{"Store", "a.b", "-a", "a-", long(64), "istio-system", "kube-system", "kube-public"},
			allowed: "a DNS label (a-z, 0-9 and -) of at most 63 characters, not istio-system or kube-*, and default only with createNamespace false; " +
				"for example: pulumi config set namespace app-example",
		}, {
			key: "namespace", with: map[string]string{"createNamespace": "false"}, good: []string{"default", "shop"}, bad: []string{"kube-system"},
			allowed: "a DNS label (a-z, 0-9 and -) of at most 63 characters, not istio-system or kube-*, and default only with createNamespace false; " +
				"for example: pulumi config set namespace app-example",
		}, {
			key: "createNamespace", good: []string{"true", "false"}, bad: []string{"", "no", "True"},
			allowed: "true or false; for example: pulumi config set createNamespace true",
		}, {
			key:  "host",
			good: []string{"", "shop.example.com", "1.example", long(63) + ".com", strings.Repeat("a.", 126) + "a", "shop.example.com, www.example.com", " a.b\n\tc.d,"},
			bad: []string{
				" ", ",", "app-example", "localhost", "*.example.com", "Shop.example.com", "shop.example.com.", "shop..com", "-a.com", "a_b.com",
				"10.0.0.1", "shop.example.com:80", "http://shop.example.com", long(64) + ".com", strings.Repeat("a.", 126) + "aa",
			},
			allowed: "DNS names in lower case with at least one dot, at most 253 characters each, no wildcard, no IP address, " +
				"not the Service's own name, each once, separated by commas or spaces; for example: pulumi config set host app-example.localhost",
		}, {
			key: "stableImage",
			good: []string{
				"", "app:1", "ghcr.io/me/app:1.0.0", "localhost/app:1", "localhost:5000/a/b:1", "[::1]:5000/app:1", "Me.io/app:1", "app" + digest,
				"app:1" + digest, "a__b/c.d/e--f:T_a.g-1", "app:" + long(128), "app@sha512:" + strings.Repeat("0a", 64),
			},
			bad: []string{
				"app", "ghcr.io/me/app", "app:", ":1", "App:1", "ghcr.io/Me/app:1", "ghcr.io//app:1", "-a.io/app:1", "a_b.io/app:1", "app:-1", "app:1:2",
				"app: 1", "app@sha256:0123", "app@md5:" + strings.Repeat("0", 32), "app" + strings.ToUpper(digest), "https://ghcr.io/app:1",
				"app:" + long(129), long(256) + ":1", "app:1@", "localhost:5000/app", "[::g]/app:1",
			},
			allowed: image + "stableImage ghcr.io/me/app:1.0.0",
		}, {
			key: "canaryImage", good: []string{"", "app:2"}, bad: []string{"app"},
			allowed: image + "canaryImage ghcr.io/me/app:1.1.0",
		}, {
			key: "stableReplicas", good: []string{"1", "100"}, bad: []string{"", "0", "101", "-1", "+1", "01", "1.0", "1e1", "two"},
			allowed: "a whole number from 1 to 100; for example: pulumi config set stableReplicas 1",
		}, {
			key: "canaryReplicas", good: []string{"0", "1", "100"}, bad: []string{"", "101", "-1", "00"},
			allowed: "a whole number from 0 to 100, and 0 only with canaryWeight 0; for example: pulumi config set canaryReplicas 1",
		}, {
			key: "stableMaxReplicas", good: []string{"", "1", "100"}, bad: []string{"0", "101", "-1"},
			allowed: "a whole number from 1 to 100, at least stableReplicas; for example: pulumi config set stableMaxReplicas 5",
		}, {
			key: "canaryMaxReplicas", good: []string{"", "1", "100"}, bad: []string{"0", "101"},
			allowed: "a whole number from 1 to 100, at least canaryReplicas, and empty with canaryReplicas 0; for example: pulumi config set canaryMaxReplicas 5",
		}, {
			key: "containerPort", good: []string{"1", "65535"}, bad: []string{"", "0", "65536", "http", "99999999999999999999"},
			allowed: "a whole number from 1 to 65535; for example: pulumi config set containerPort 8080",
		}, {
			key: "protocol", good: []string{"http", "http2", "grpc"}, bad: []string{"", "HTTP", "tcp", "h2c"},
			allowed: "http or http2 or grpc; for example: pulumi config set protocol http",
		}, {
			key: "readinessProtocol", good: []string{"", "http", "grpc", "tcp"}, bad: []string{"http2", "exec"},
			allowed: "http or grpc or tcp; for example: pulumi config set readinessProtocol http",
		}, {
			key: "readinessPort", good: []string{"", "1", "65535"}, bad: []string{"0", "65536", "http"},
			allowed: "a whole number from 1 to 65535; for example: pulumi config set readinessPort 8081",
		}, {
			key: "readinessPath", good: []string{"/", "/healthz", "/a/b?c=d&e=%20f"},
			bad:     []string{"", "healthz", "/a b", "/a\tb", "/a\n", "/ä", "/%zz", "http://x/"},
			allowed: "a URL path that starts with a slash, without spaces and control characters; for example: pulumi config set readinessPath /",
		}, {
			key:     "env",
			good:    []string{`{}`, `{"A":"b","a.b-c_1":"","PORT":8080,"RATIO":0.10,"ON":true}`},
			bad:     []string{"", "A=b", "[]", "null", `{"A":"b"} {}`, `{"A":"b"`},
			allowed: environmentAllowed + "; for example: pulumi config set --path env.LOG_LEVEL debug",
		}, {
			key: "canaryEnv", good: []string{`{"A":"b"}`}, bad: []string{"A"},
			allowed: environmentAllowed + "; for example: pulumi config set --path canaryEnv.LOG_LEVEL debug",
		}, {
			key: "imagePullSecret", good: []string{"", "registry", "ghcr.io-me", long(253)}, bad: []string{"Registry", "a/b", "-a", "a..b", long(254)},
			allowed: "a Secret's name: a-z, 0-9, - and . as in a DNS name, at most 253 characters; " +
				"for example: pulumi config set imagePullSecret registry-credentials",
		}, {
			key: "startSeconds", good: []string{"1", "3600"}, bad: []string{"", "0", "3601", "90s"},
			allowed: "a whole number from 1 to 3600; for example: pulumi config set startSeconds 600",
		},
		{
			key: "drainSeconds", good: []string{"1", "3600"}, bad: []string{"", "0", "3601", "20s"},
			allowed: "a whole number from 1 to 3600; for example: pulumi config set drainSeconds 20",
		}, {
			key: "clusterProvider", good: []string{"k3d"}, bad: []string{"", "K3d", "kind"},
			allowed: "k3d or existing; for example: pulumi config set clusterProvider k3d",
		}, {
			key: "clusterName", good: []string{"a", "1", long(32)}, bad: []string{"", "Canary", "a.b", "a_b", "-a", long(33), "$(id)"},
			allowed: "a DNS label (a-z, 0-9 and -) of at most 32 characters; for example: pulumi config set clusterName canary",
		}, {
			key: "agents", good: []string{"0", "16"}, bad: []string{"", "-1", "17"},
			allowed: "a whole number from 0 to 16; for example: pulumi config set agents 3",
		}, {
			key: "k3sImage", good: []string{"rancher/k3s:v1.36.1-k3s1"}, bad: []string{"", "rancher/k3s", "rancher/k3s:v1.36.1+k3s1"},
			allowed: image + "k3sImage " + pins.K3sImage,
		}, {
			key: "httpPort", good: []string{"1", "65535"}, bad: []string{"", "0", "65536"},
			allowed: "a whole number from 1 to 65535, and another than httpsPort; for example: pulumi config set httpPort 80",
		}, {
			key: "httpsPort", good: []string{"0", "443", "65535"}, bad: []string{"", "65536", "https"},
			allowed: "a whole number from 0 to 65535, and another than httpPort; for example: pulumi config set httpsPort 443",
		},
		{
			key: "registryPort", good: []string{"0", "5000", "65535"}, bad: []string{"65536", "-1", "05000"},
			allowed: "a whole number from 0 to 65535, another than httpPort and httpsPort, and only with clusterProvider k3d; for example: pulumi config set registryPort 5001",
		}, {
			key: "imageCache", good: []string{"off", "https://registry-1.docker.io", "http://10.0.0.7:5000"},
			bad:     []string{"", "on", "docker.io", "ftp://mirror", "https://mirror/", "https://mirror/docker", "https://me:pw@mirror", "https://Mirror", "http://$HOST"},
			allowed: "off, or an http or https URL of a registry without path and credentials, in lower case; for example: pulumi config set imageCache https://registry-1.docker.io",
		}, {
			key: "tlsSecret", good: []string{"", "shop-tls"}, bad: []string{"Shop"},
			allowed: "a Secret's name: a-z, 0-9, - and . as in a DNS name, at most 253 characters, and not with tlsCertificate; for example: pulumi config set tlsSecret shop-tls",
		}, {
			key: "istioNamespace", with: others, good: []string{"istio-system", "ingress"}, bad: []string{"", "A", "a.b"},
			allowed: "a DNS label (a-z, 0-9 and -) of at most 63 characters, istio-system with istioInstall true; for example: pulumi config set istioNamespace istio-system",
		}, {
			key: "outlierDetection", good: []string{"true", "false"}, bad: []string{"", "yes"},
			allowed: "true or false; for example: pulumi config set outlierDetection false",
		}, {
			key: "metricsServer", good: []string{"true", "false"}, bad: []string{"", "yes"},
			allowed: "true or false; for example: pulumi config set metricsServer false",
		}, {
			key: "context", with: existing, good: []string{"", "me@staging", "arn:aws:eks:x"}, bad: []string{"a\nb"},
			allowed: "the name of a context, only with clusterProvider existing; for example: pulumi config set context staging",
		}, {
			key: "istioInstall", with: existing, good: []string{"true", "false"}, bad: []string{"", "True", "yes", "1"},
			allowed: "true or false, and false only with clusterProvider existing; for example: pulumi config set istioInstall true",
		}, {
			key: "istioGateway", with: others, good: []string{"ingressgateway", "ingress", "My_gate.way", long(63)},
			bad: []string{"", "-a", "a-", "a b", "a/b", "*", long(64)},
			allowed: "a label's value: letters, digits, -, _ and ., at most 63 characters, ingressgateway with istioInstall true; " +
				"for example: pulumi config set istioGateway ingressgateway",
		}, {
			key: "istioRevision", good: []string{"", "1-31-4", "asm-managed", long(63)}, bad: []string{"-a", "a b", "a/b", long(64)},
			allowed: "a label's value: letters, digits, -, _ and ., at most 63 characters; for example: pulumi config set istioRevision asm-managed",
		}, {
			key: "istioVersion", good: []string{"1.31.4", "0.0.0", "10.20.30"}, bad: []string{"", "1.31", "v1.31.4", "1.31.4-rc.0", "01.31.4", "1.31.x", "latest"},
			allowed: "a version major.minor.patch; for example: pulumi config set istioVersion " + pins.IstioVersion,
		}, {
			key: "istioChartRepository", good: []string{"https://x", "http://127.0.0.1:8879/charts", "oci://ghcr.io/istio/release/charts"},
			bad: []string{
				"", "blob.istio.io/charts", "ftp://x", "https://", "https://:80/", "./charts", "https://me:secret@x/charts", "https://x/?a=b", "https://x/#a", "https://x/a b",
			},
			allowed: "an http, https or oci URL without credentials, query and fragment; " +
				"for example: pulumi config set istioChartRepository " + pins.IstioChartRepository,
		}, {
			key: "istioHub", good: []string{"docker.io/istio", "istio", "localhost:5000/a/b"}, bad: []string{"", "docker.io/istio:1", "docker.io/", "https://docker.io/istio", "docker.io/Istio"},
			allowed: "an image reference's registry and folder, without tag and digest; for example: pulumi config set istioHub " + pins.IstioHub,
		}, {
			key: "istioTag", good: []string{"", "1.31.4", "1.31.4-distroless", "_a"}, bad: []string{"-a", "a b", "1.31.4+x", long(129)},
			allowed: "an image tag: letters, digits, _, . and -, at most 128 characters; for example: pulumi config set istioTag " + pins.IstioVersion,
		}, {
			key: "istioValues", good: []string{"{}", `{"base":{},"istiod":{"a":[1]},"ingressgateway":{},"egressgateway":{}}`},
			bad: []string{"", "null", "[]", "1", "{", "{}{}", "base: {}"},
			allowed: "a JSON object whose keys are among base, istiod, ingressgateway and egressgateway, each with an object; " +
				"for example: pulumi config set --path istioValues.istiod.autoscaleEnabled false",
		}, {
			key: "convergeTimeout", good: []string{"1", "3600"}, bad: []string{"", "0", "3601", "60s", "1m", "0.5"},
			allowed: "a whole number from 1 to 3600; for example: pulumi config set convergeTimeout 60",
		},
	} {
		t.Run(tc.key, func(t *testing.T) {
			t.Parallel()
			for _, value := range tc.good {
				_, err := Parse(with(tc.with, tc.key, value))
				require.NoError(t, err, "%q", value)
			}
			for _, value := range tc.bad {
				_, err := Parse(with(tc.with, tc.key, value))
				require.EqualError(t, err, "1 problem in the stack's configuration:\n  "+
					tc.key+": found "+quote(value)+"; allowed: "+tc.allowed)
			}
		})
	}
}

// Rules that say more about the value, or that concern several keys.
func TestRulesInFull(t *testing.T) {
	t.Parallel()
	const (
		namespace  = "allowed: a DNS label (a-z, 0-9 and -) of at most 63 characters, not istio-system or kube-*, and default only with createNamespace false; "
		kubeconfig = "allowed: the path or the content of a kubeconfig, only with clusterProvider existing; "
		host       = "allowed: DNS names in lower case with at least one dot, at most 253 characters each, no wildcard, no IP address, " +
			"not the Service's own name, each once, separated by commas or spaces; "
	)
	for _, tc := range []struct {
		name   string
		values map[string]string
		want   string
	}{{
		"the gateway's port for HTTPS", map[string]string{"httpPort": "443", "tlsSecret": "shop-tls"},
		`httpPort: found "443", which is httpsPort's; allowed: a whole number from 1 to 65535, and another than httpsPort; for example: pulumi config set httpPort 80`,
	}, {
		"the gateway's port for HTTP", map[string]string{"httpsPort": "80", "tlsSecret": "shop-tls"},
		`httpsPort: found "80", which is httpPort's; allowed: a whole number from 0 to 65535, and another than httpPort; for example: pulumi config set httpsPort 443`,
	}, {
		"the gateway's port for the registry", map[string]string{"httpPort": "8080", "registryPort": "8080"},
		`registryPort: found "8080", which is httpPort's; allowed: a whole number from 0 to 65535, another than httpPort and httpsPort, and only with clusterProvider k3d; for example: pulumi config set registryPort 5001`,
	}, {
		"the gateway's port for HTTPS for the registry", map[string]string{"httpsPort": "8443", "registryPort": "8443", "tlsSecret": "shop-tls"},
		`registryPort: found "8443", which is httpsPort's; allowed: a whole number from 0 to 65535, another than httpPort and httpsPort, and only with clusterProvider k3d; for example: pulumi config set registryPort 5001`,
	}, {
		"canary without pods", map[string]string{"canaryReplicas": "0", "canaryWeight": "0.50"},
		`canaryReplicas: found "0" with canaryWeight "0.50"; allowed: a whole number from 0 to 100, and 0 only with canaryWeight 0; run: pulumi config set canaryReplicas 1`,
	}, {
		"namespace from name", map[string]string{"name": "kube-shop"},
		`namespace: found nothing, which means name's "kube-shop"; ` + namespace + `for example: pulumi config set namespace app-example`,
	}, {
		"no namespace of the stack's own", map[string]string{"namespace": "default"},
		`namespace: found "default" with createNamespace true; ` + namespace + `run: pulumi config set createNamespace false`,
	}, {
		"no namespace of the stack's own, from name", map[string]string{"name": "default"},
		`namespace: found nothing, which means name's "default", with createNamespace true; ` + namespace + `run: pulumi config set createNamespace false`,
	}, {
		"host is the Service", map[string]string{"host": "app-example.app-example"},
		`host: found "app-example.app-example", which is the Service's own name; ` + host + `run: pulumi config rm host`,
	}, {
		"host is the Service in full", map[string]string{"host": "a.b.svc.cluster.local", "name": "a", "namespace": "b"},
		`host: found "a.b.svc.cluster.local", which is the Service's own name; ` + host + `run: pulumi config rm host`,
	}, {
		"hosts that are none", map[string]string{"host": "a.example,*.example.com B.example"},
		`host: found "a.example,*.example.com B.example", of which "*.example.com", "B.example" cannot be used; ` + host + `for example: pulumi config set host app-example.localhost`,
	}, {
		"a host twice", map[string]string{"host": "a.example b.example a.example a.example"},
		`host: found "a.example b.example a.example a.example", of which "a.example" cannot be used twice; ` + host + `for example: pulumi config set host app-example.localhost`,
	}, {
		"hosts that are none, and a host twice", map[string]string{"host": "a.example localhost a.example"},
		`host: found "a.example localhost a.example", of which "localhost" cannot be used, and "a.example" cannot be used twice; ` + host + `for example: pulumi config set host app-example.localhost`,
	}, {
		"one host is the Service", map[string]string{"host": "shop.example.com a.b.svc", "name": "a", "namespace": "b"},
		`host: found "shop.example.com a.b.svc", of which "a.b.svc" cannot be used, as the Service's own name; ` + host + `for example: pulumi config set host app-example.localhost`,
	}, {
		"existing without kubeconfig", map[string]string{"clusterProvider": "existing"},
		`kubeconfig: found nothing with clusterProvider "existing"; ` + kubeconfig + `for example: pulumi config set kubeconfig ~/.kube/config`,
	}, {
		"kubeconfig with k3d", map[string]string{"kubeconfig": "hunter2"},
		`kubeconfig: found a value that is not shown with clusterProvider "k3d"; ` + kubeconfig + `run: pulumi config rm kubeconfig`,
	}, {
		"context with k3d", map[string]string{"context": "staging"},
		`context: found "staging" with clusterProvider "k3d"; allowed: the name of a context, only with clusterProvider existing; run: pulumi config rm context`,
	}, {
		"import with existing", map[string]string{"clusterProvider": "existing", "kubeconfig": "k", "importImages": "a:1"},
		`importImages: found "a:1" with clusterProvider "existing"; allowed: image references with a tag and no digest, separated by commas or spaces, only with clusterProvider k3d; run: pulumi config rm importImages`,
	}, {
		"import of no reference", map[string]string{"importImages": "a:1 b, C:1"},
		`importImages: found "a:1 b, C:1", of which "b", "C:1" cannot be used; allowed: image references with a tag and no digest, separated by commas or spaces, only with clusterProvider k3d; for example: pulumi config set importImages app:1.0.0,app:1.1.0`,
	}, {
		"import by digest", map[string]string{"importImages": "a:1@sha256:" + strings.Repeat("0", 64)},
		`importImages: found "a:1@sha256:` + strings.Repeat("0", 64) + `", of which "a:1@sha256:` + strings.Repeat("0", 64) + `" cannot be used; allowed: image references with a tag and no digest, separated by commas or spaces, only with clusterProvider k3d; for example: pulumi config set importImages app:1.0.0,app:1.1.0`,
	}, {
		"fewer at most than at least", map[string]string{"stableReplicas": "3", "stableMaxReplicas": "2"},
		`stableMaxReplicas: found "2" with stableReplicas "3"; allowed: a whole number from 1 to 100, at least stableReplicas; run: pulumi config rm stableMaxReplicas`,
	}, {
		"an autoscaler of nothing", map[string]string{"canaryReplicas": "0", "canaryMaxReplicas": "2"},
		`canaryMaxReplicas: found "2" with canaryReplicas "0"; allowed: a whole number from 1 to 100, at least canaryReplicas, and empty with canaryReplicas 0; run: pulumi config rm canaryMaxReplicas`,
	}, {
		"another namespace than the stack's own", map[string]string{"istioNamespace": "ingress"},
		`istioNamespace: found "ingress" with istioInstall true; allowed: a DNS label (a-z, 0-9 and -) of at most 63 characters, istio-system with istioInstall true; run: pulumi config rm istioNamespace`,
	}, {
		"no Istio with k3d", map[string]string{"istioInstall": "false"},
		`istioInstall: found "false" with clusterProvider "k3d"; allowed: true or false, and false only with clusterProvider existing; for example: pulumi config set istioInstall true`,
	}, {
		"another gateway than the stack's own", map[string]string{"istioGateway": "ingress"},
		`istioGateway: found "ingress" with istioInstall true; allowed: a label's value: letters, digits, -, _ and ., at most 63 characters, ingressgateway with istioInstall true; run: pulumi config rm istioGateway`,
	}, {
		"a cookie with an Istio before it", map[string]string{"stickyCookie": "v", "istioVersion": "1.27.9"},
		`stickyCookie: found "v" with istioVersion "1.27.9"; allowed: a cookie's name: letters, digits, - and _, at most 64 characters, and only with Istio 1.28 or later; run: pulumi config rm stickyCookie`,
	}, {
		"values of no chart", map[string]string{"istioValues": `{"pilot":{},"base":1,"istiod":{}}`},
		`istioValues: found "{\"pilot\":{},\"base\":1,\"istiod\":{}}", of which "base", "pilot" cannot be used; allowed: a JSON object whose keys are among base, istiod, ingressgateway and egressgateway, each with an object; for example: pulumi config set --path istioValues.istiod.autoscaleEnabled false`,
	}, {
		"names and values that are none", map[string]string{"env": `{"1A":"b","A B":"c","A":{},"B":["x"],"C":null,"D":"\u0000","E":"good"}`},
		`env: found "{\"1A\":\"b\",\"A B\":\"c\",\"A\":{},\"B\":[\"x\"],\"C\":null,\"D\":\"\\u0000\",\"E\":\"good\"}", of which "1A", "A B", "A", "B", "C", "D" cannot be used; allowed: ` + environmentAllowed + `; for example: pulumi config set --path env.LOG_LEVEL debug`,
	}, {
		"unknown key", map[string]string{"CanaryWeight": "5"},
		`CanaryWeight: no such key; nearest: canaryWeight; run: pulumi config rm CanaryWeight`,
	}, {
		"unknown key with line break", map[string]string{"agent\n": "5"},
		`agent\n: no such key; nearest: agents; run: pulumi config rm agent\n`,
	}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(tc.values)
			require.EqualError(t, err, "1 problem in the stack's configuration:\n  "+tc.want)
		})
	}
}

// A key that is wrong by itself is not reported again for what it means to another.
func TestRulesDoNotRepeat(t *testing.T) {
	t.Parallel()
	for _, values := range []map[string]string{
		{"clusterProvider": "kind", "kubeconfig": "k", "importImages": "a:1", "istioInstall": "false"},
		{"canaryWeight": "x", "canaryReplicas": "0"},
		{"name": "KUBE-SYSTEM"},
	} {
		_, err := Parse(values)
		require.ErrorContains(t, err, "1 problem in")
	}
}

func with(values map[string]string, key, value string) map[string]string {
	all := map[string]string{key: value}
	maps.Copy(all, values)
	return all
}
