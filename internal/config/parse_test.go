package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"canary/internal/pins"
)

func TestParseDefaults(t *testing.T) {
	t.Parallel()
	config, err := Parse(nil)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(&Config{
		Name: "app-example", Namespace: "app-example", CreateNamespace: true, Hosts: []string{"app-example.app-example.localhost"},
		StickySeconds: 2_592_000, StableReplicas: 1, CanaryReplicas: 1, StableMaxReplicas: 1, CanaryMaxReplicas: 1, ContainerPort: 8080, Protocol: "http", Readiness: Readiness{"http", 8080, "/"}, StartSeconds: 600, DrainSeconds: 20,
		Env: Environment{}, CanaryEnv: Environment{},
		Cluster: Cluster{Provider: ProviderK3d, Name: "canary", Agents: 3, K3sImage: pins.K3sImage, HTTPPort: 80, RegistryPort: 5000, ImageCache: "https://registry-1.docker.io"},
		Istio: Istio{
			Install: true, Gateway: "ingressgateway", Namespace: "istio-system", Version: pins.IstioVersion, ChartRepository: pins.IstioChartRepository,
			Hub: pins.IstioHub, Tag: pins.IstioVersion, Values: map[string]any{},
		},
		ConvergeTimeout: time.Minute,
	}, config))
}

func TestParseEveryKey(t *testing.T) {
	t.Parallel()
	digest := "ghcr.io/me/app@sha256:" + strings.Repeat("0a", 32)
	config, err := Parse(map[string]string{
		"canaryWeight": "12.5", "canaryHeader": "x-canary=1", "mirrorPercent": "0.5", "stickyCookie": "v", "stickySeconds": "60", "name": "shop", "namespace": "store", "createNamespace": "false", "host": "shop.example.com www.example.com",
		"stableImage": "localhost:5000/shop:1", "canaryImage": digest, "stableReplicas": "4", "canaryReplicas": "2", "canaryMaxReplicas": "6",
		"containerPort": "9000", "protocol": "grpc", "readinessProtocol": "http", "readinessPort": "9001", "readinessPath": "/ready?deep=1",
		"imagePullSecret": "ghcr.io", "startSeconds": "90", "drainSeconds": "3600",
		"env": `{"LEVEL":"info","PORT":8080}`, "canaryEnv": `{"LEVEL":"debug"}`,
		"clusterProvider": "existing", "clusterName": "other", "agents": "0", "k3sImage": "rancher/k3s:v1", "httpPort": "8080", "imageCache": "http://mirror.example.com:5000",
		"kubeconfig": "apiVersion: v1\nkind: Config\n", "context": "staging", "importImages": "",
		"istioInstall": "false", "istioGateway": "ingress", "istioNamespace": "istio-ingress", "istioVersion": "1.30.0", "istioChartRepository": "oci://ghcr.io/istio/release/charts",
		"istioHub": "docker.io/istio", "istioTag": "1.30.0-distroless", "istioValues": `{"istiod":{"pilot":{"cpu":1}},"base":{}}`,
		"convergeTimeout": "3600",
	})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(&Config{
		CanaryWeight: 1250, CanaryHeader: "x-canary=1", MirrorPercent: 50, StickyCookie: "v", StickySeconds: 60, Name: "shop", Namespace: "store", Hosts: []string{"shop.example.com", "www.example.com"},
		StableImage: "localhost:5000/shop:1", CanaryImage: digest, StableReplicas: 4, CanaryReplicas: 2, StableMaxReplicas: 4, CanaryMaxReplicas: 6,
		ContainerPort: 9000, Protocol: "grpc", Readiness: Readiness{"http", 9001, "/ready?deep=1"},
		ImagePullSecret: "ghcr.io", StartSeconds: 90, DrainSeconds: 3600,
		Env: Environment{"LEVEL": {Value: "info"}, "PORT": {Value: "8080"}}, CanaryEnv: Environment{"LEVEL": {Value: "debug"}, "PORT": {Value: "8080"}},
		Cluster: Cluster{
			Provider: ProviderExisting, Name: "other", Agents: 0, K3sImage: "rancher/k3s:v1", HTTPPort: 8080,
			Kubeconfig: "apiVersion: v1\nkind: Config\n", Context: "staging",
		},
		Istio: Istio{
			Gateway: "ingress", Namespace: "istio-ingress", Version: "1.30.0", ChartRepository: "oci://ghcr.io/istio/release/charts", Hub: "docker.io/istio", Tag: "1.30.0-distroless",
			Values: map[string]any{"istiod": map[string]any{"pilot": map[string]any{"cpu": 1.0}}, "base": map[string]any{}},
		},
		ConvergeTimeout: time.Hour,
	}, config))
}

func TestParseDerives(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		values map[string]string
		get    func(*Config) string
		want   string
	}{
		{"namespace from name", map[string]string{"name": "shop"}, func(c *Config) string { return c.Namespace }, "shop"},
		{"host from name and namespace", map[string]string{"name": "shop", "namespace": "store"}, func(c *Config) string { return strings.Join(c.Hosts, ",") }, "shop.store.localhost"},
		{"canary image from stable image", map[string]string{"stableImage": "a:1"}, func(c *Config) string { return c.CanaryImage }, "a:1"},
		{"canary image beside the example app", map[string]string{"canaryImage": "a:1"}, func(c *Config) string { return c.StableImage }, ""},
		{"tag from version", map[string]string{"istioVersion": "1.2.3"}, func(c *Config) string { return c.Istio.Tag }, "1.2.3"},
		{"readiness of a gRPC app", map[string]string{"protocol": "grpc"}, func(c *Config) string { return c.Readiness.Protocol }, "grpc"},
		{"empty is absent", map[string]string{"namespace": "", "host": ""}, func(c *Config) string { return strings.Join(c.Hosts, ",") }, "app-example.app-example.localhost"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			config, err := Parse(tc.values)
			require.NoError(t, err)
			require.Equal(t, tc.want, tc.get(config))
		})
	}
}

// What the configuration holds as a secret is one for the app too, and the canary's own value replaces the
// one that both have, whichever of them is secret.
func TestParseSecretEnvironment(t *testing.T) {
	t.Parallel()
	values := map[string]string{"env": `{"PASSWORD":"hunter2","LEVEL":"info"}`, "canaryEnv": `{"LEVEL":"debug"}`}
	for key, want := range map[string][2]Environment{
		"env": {
			{"PASSWORD": {"hunter2", true}, "LEVEL": {"info", true}},
			{"PASSWORD": {"hunter2", true}, "LEVEL": {"debug", false}},
		},
		"canaryEnv": {
			{"PASSWORD": {"hunter2", false}, "LEVEL": {"info", false}},
			{"PASSWORD": {"hunter2", false}, "LEVEL": {"debug", true}},
		},
	} {
		config, err := parse(values, func(name string) bool { return name == key })
		require.NoError(t, err)
		require.Equal(t, want, [2]Environment{config.Env, config.CanaryEnv}, key)
	}
}

func TestParsePod(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pod.yaml")
	require.NoError(t, os.WriteFile(file, []byte("spec:\n  serviceAccountName: shop\n"), 0o600))
	inline := `{"spec":{"serviceAccountName":"shop"}}`
	fromFile, err := Parse(map[string]string{"pod": file, "canaryPod": inline})
	require.NoError(t, err)
	require.NotNil(t, fromFile.Pod)
	require.Equal(t, fromFile.Pod, fromFile.CanaryPod)

	for name, tc := range map[string]struct {
		values map[string]string
		secret bool
		want   string
	}{
		"every field that is wrong": {
			values: map[string]string{"pod": `{"spec":{"containers":[{"name":"app","resorces":{}}],"hostNetwork":1}}`, "canaryPod": `{"Spec":{}}`},
			want: `3 problems in the stack's configuration:
  pod: spec.containers[0].resorces: no such field; nearest: resources
  pod: spec.hostNetwork: found a whole number, allowed: true or false
  canaryPod: Spec: no such field; nearest: spec`,
		},
		"no such file": {
			values: map[string]string{"pod": "no/such/file.yaml"},
			want: `1 problem in the stack's configuration:
  pod: found "no/such/file.yaml", which cannot be read: no such file or directory; allowed: ` + podAllowed + `; for example: pulumi config set --path pod.spec.serviceAccountName shop`,
		},
		"a secret": {
			values: map[string]string{"pod": `{"spec":{"x":1}}`}, secret: true,
			want: `1 problem in the stack's configuration:
  pod: found a value that is not shown, and a secret does not stay one in a pod's spec; allowed: ` + podAllowed + `; run: pulumi config rm pod, and give secret values by env`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(tc.values, func(string) bool { return tc.secret })
			require.EqualError(t, err, tc.want)
		})
	}
}

func TestParseImportImages(t *testing.T) {
	t.Parallel()
	config, err := Parse(map[string]string{"importImages": " a:1,b:2\n\tc/d:3, "})
	require.NoError(t, err)
	require.Equal(t, []string{"a:1", "b:2", "c/d:3"}, config.Cluster.ImportImages)
}

// What the messages advise must itself be allowed.
func TestAdviceIsAllowed(t *testing.T) {
	t.Parallel()
	for _, declared := range declarations {
		args := strings.Fields(declared.advice())[3:]
		if strings.HasPrefix(args[0], "--") || strings.HasPrefix(declared.Name, "tls") { // a path, or a file
			continue
		}
		require.Equal(t, declared.Name, args[0])
		require.NoError(t, declared.set(&Config{}, args[1]), declared.Name)
	}
}

func TestParseAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Parse(map[string]string{
		"zeal": "1", "canaryWieght": "50", "convergeTimeout": "60s", "kubeconfig": "hunter2", "agents": "", "canaryWeight": "-1", "canaryReplicas": "0",
	})
	require.EqualError(t, err, `6 problems in the stack's configuration:
  canaryWeight: found "-1"; allowed: a percentage from 0 to 100 with at most two decimals, digits only; for example: pulumi config set canaryWeight 12.5
  agents: found ""; allowed: a whole number from 0 to 16; for example: pulumi config set agents 3
  kubeconfig: found a value that is not shown with clusterProvider "k3d"; allowed: the path or the content of a kubeconfig, only with clusterProvider existing; run: pulumi config rm kubeconfig
  convergeTimeout: found "60s"; allowed: a whole number from 1 to 3600; for example: pulumi config set convergeTimeout 60
  canaryWieght: no such key; nearest: canaryWeight; run: pulumi config rm canaryWieght
  zeal: no such key; nearest: env; run: pulumi config rm zeal`)
}

// Of a list everything that is wrong is told at once, by whatever rule.
func TestParseHosts(t *testing.T) {
	t.Parallel()
	const allowed = "; allowed: DNS names in lower case with at least one dot, at most 253 characters each, no wildcard, no IP address, not the Service's own name, " +
		"each once, separated by commas or spaces; for example: pulumi config set host app-example.localhost"
	values := map[string]string{"name": "hunter2", "host": "hunter2.hunter2 x hunter2.hunter2"}
	_, err := Parse(values)
	require.EqualError(t, err, `2 problems in the stack's configuration:
  host: found "hunter2.hunter2 x hunter2.hunter2", of which "x" cannot be used, and "hunter2.hunter2" cannot be used twice`+allowed+`
  host: found "hunter2.hunter2 x hunter2.hunter2", of which "hunter2.hunter2" cannot be used, as the Service's own name`+allowed)

	_, err = parse(values, func(key string) bool { return key == "host" })
	require.EqualError(t, err, `2 problems in the stack's configuration:
  host: found a value that is not shown`+allowed+`
  host: found a value that is not shown, of which a value that is not shown cannot be used, as the Service's own name`+allowed)
}

func TestParseHidesSecrets(t *testing.T) {
	t.Parallel()
	_, err := parse(map[string]string{"importImages": "hunter2:1,Hunter2", "name": "kube-hunter2"}, func(string) bool { return true })
	require.EqualError(t, err, `2 problems in the stack's configuration:
  namespace: found nothing, which means name's a value that is not shown; allowed: a DNS label (a-z, 0-9 and -) of at most 63 characters, not istio-system or kube-*, and default only with createNamespace false; for example: pulumi config set namespace app-example
  importImages: found a value that is not shown; allowed: image references with a tag and no digest, separated by commas or spaces, only with clusterProvider k3d; for example: pulumi config set importImages app:1.0.0,app:1.1.0`)
}

func TestParseShortensLongValues(t *testing.T) {
	t.Parallel()
	_, err := Parse(map[string]string{"agents": strings.Repeat("é", 81)})
	require.ErrorContains(t, err, `agents: found "`+strings.Repeat("é", 80)+`"…; allowed: `)
}

func TestParseTellsWhetherTheRegistryWasAskedFor(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]Cluster{
		"":     {RegistryPort: 5000},
		"5000": {RegistryPort: 5000, RegistrySet: true},
		"0":    {RegistrySet: true},
	} {
		config, err := Parse(map[string]string{"registryPort": value})
		require.NoError(t, err)
		require.Equal(t, want, Cluster{RegistryPort: config.Cluster.RegistryPort, RegistrySet: config.Cluster.RegistrySet}, "%q", value)
	}
	existing := map[string]string{"clusterProvider": "existing", "kubeconfig": "~/.kube/config"}
	config, err := Parse(existing)
	require.NoError(t, err)
	require.Zero(t, config.Cluster.RegistryPort)
	existing["registryPort"] = "5000"
	_, err = Parse(existing)
	require.ErrorContains(t, err, `registryPort: found "5000" with clusterProvider "existing"; allowed: a whole number from 0 to 65535, `+
		`another than httpPort and httpsPort, and only with clusterProvider k3d; run: pulumi config rm registryPort`)
}
