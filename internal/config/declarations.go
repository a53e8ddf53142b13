package config

import (
	"encoding/json"
	"strconv"
	"time"

	"canary/internal/pins"
	"canary/internal/podpatch"
)

// What image references must look like.
const imageAllowed = "an image reference with a tag or a digest"

const maxReplicas = 100

// CPUTarget is the CPU that an autoscaler aims at, in percent of what the app's
// container requests.
const CPUTarget = 80

// An array and not a map: messages and documents follow this order.
var declarations = []declaration{{
	Key: Key{"canaryWeight", "0",
		"Share of the requests that the canary serves, in percent: 0 to 100 with at most two decimals."},
	rule:    rule{percentAllowed, setCanaryWeight},
	example: "12.5",
}, {
	Key: Key{"canaryHeader", "",
		"Header by which a request always reaches the canary, from the ingress and in the mesh, at any weight, also at 0: NAME, or NAME=VALUE; empty means none. It does nothing with canaryReplicas 0."},
	rule: text("NAME or NAME=VALUE, NAME of at most 63 characters a-z, 0-9 and - and no header of the proxies' (host, cookie, x-request-id, x-canary-ask, x-forwarded-*, x-envoy-*), VALUE of at most 128 visible ASCII characters",
		func(c *Config) *string { return &c.CanaryHeader }, isHeaderMatch),
	example: "x-canary",
}, {
	Key: Key{"mirrorPercent", "0",
		"Share of the requests that are copied to the canary, whose answers are thrown away, in percent: 0 to 100 with at most two decimals, of all requests, whichever subset answers them. It does nothing with canaryReplicas 0."},
	rule:    rule{percentAllowed, setMirrorPercent},
	example: "10",
}, {
	Key: Key{"stickyCookie", "",
		"Name of the cookie by which the ingress gateway keeps a user on a version, at most 64 letters, digits, - and _; it needs Istio 1.28. Empty means that each request is drawn anew."},
	rule: text("a cookie's name: letters, digits, - and _, at most 64 characters",
		func(c *Config) *string { return &c.StickyCookie }, isCookieName).
		and(", and only with Istio 1.28 or later"),
	example: "app-version",
}, {
	Key: Key{"stickySeconds", "2592000",
		"How long a browser keeps stickyCookie, in seconds: 1 to 34560000 (400 days)."},
	rule: wholeNumber(1, 34_560_000, func(c *Config) *int { return &c.StickySeconds }),
}, {
	Key: Key{"name", "app-example",
		"Name of the app's Service, Deployments and routes: a DNS label of at most " + strconv.Itoa(maxNameLen) + " characters that starts with a letter."},
	rule: text("a DNS label (a-z, 0-9 and -) that starts with a letter, at most "+strconv.Itoa(maxNameLen)+" characters",
		func(c *Config) *string { return &c.Name }, isName),
}, {
	Key: Key{"namespace", "",
		"Namespace of the app: a DNS label of at most 63 characters; empty means the value of name."},
	rule: text("a DNS label (a-z, 0-9 and -) of at most 63 characters, not istio-system or kube-*",
		func(c *Config) *string { return &c.Namespace }, isNamespace).
		and(", and default only with createNamespace false"),
	example: "app-example",
}, {
	Key: Key{"createNamespace", "true",
		"Whether the stack makes the namespace, and destroys it with all that is in it: true, or false to use one that is there, in which only the app's own objects are the stack's."},
	rule: trueOrFalse(func(c *Config) *bool { return &c.CreateNamespace }),
}, {
	Key: Key{"host", "",
		"DNS names of ingress traffic, separated by commas or spaces, in lower case and without wildcards, at most 253 characters each; the first is the one of the app's URL. Empty means <name>.<namespace>.localhost."},
	rule: rule{"DNS names in lower case with at least one dot, at most 253 characters each, no wildcard, no IP address, not the Service's own name, " +
		"each once, separated by commas or spaces", setHosts},
	example: "app-example.localhost",
}, {
	Key: Key{"tlsCertificate", "",
		"Certificate of every name in host, with the chain above it, " + pemAllowed + "; they are then served over HTTPS, and HTTP redirects there. Empty means HTTP alone."},
	rule:    pem("a certificate of every name in host", func(c *Config) *string { return &c.TLS.Certificate }),
	example: "certificate.pem",
}, {
	Key: Key{"tlsKey", "",
		"Private key of tlsCertificate, which belongs in a secret, " + pemAllowed + "."},
	rule:    pem("the private key of tlsCertificate", func(c *Config) *string { return &c.TLS.Key }),
	example: "--secret < key.pem",
	hidden:  true,
}, {
	Key: Key{"tlsSecret", "",
		"Name of a Secret with a certificate and its key in istioNamespace, in place of tlsCertificate and tlsKey."},
	rule: text("a Secret's name: a-z, 0-9, - and . as in a DNS name, at most 253 characters, and not with tlsCertificate",
		func(c *Config) *string { return &c.TLS.Secret }, isSecretName),
	example: "shop-tls",
}, {
	Key: Key{"stableImage", "",
		"Image of the stable subset, by tag or digest; empty means the example app."},
	rule:    text(imageAllowed, func(c *Config) *string { return &c.StableImage }, isPinnedReference),
	example: "ghcr.io/me/app:1.0.0",
}, {
	Key: Key{"canaryImage", "",
		"Image of the canary subset, by tag or digest; empty means the value of stableImage."},
	rule:    text(imageAllowed, func(c *Config) *string { return &c.CanaryImage }, isPinnedReference),
	example: "ghcr.io/me/app:1.1.0",
}, {
	Key: Key{"stableReplicas", "1",
		"Pods of the stable subset: 1 to 100."},
	rule: wholeNumber(1, maxReplicas, func(c *Config) *int { return &c.StableReplicas }),
}, {
	Key: Key{"canaryReplicas", "1",
		"Pods of the canary subset: 0 to 100, and 0 only while canaryWeight is 0."},
	rule: wholeNumber(0, maxReplicas, func(c *Config) *int { return &c.CanaryReplicas }).
		and(", and 0 only with canaryWeight 0"),
}, {
	Key: Key{"stableMaxReplicas", "",
		"Most pods of the stable subset: at least stableReplicas, at most 100; an autoscaler, which needs a metrics-server in the cluster, then keeps the CPU of the app's containers at " + strconv.Itoa(CPUTarget) + " % of what they request. Empty means no autoscaler."},
	rule: wholeNumber(1, maxReplicas, func(c *Config) *int { return &c.StableMaxReplicas }).
		and(", at least stableReplicas"),
	example: "5",
}, {
	Key: Key{"canaryMaxReplicas", "",
		"The same for the canary subset and canaryReplicas, which must not be 0 then."},
	rule: wholeNumber(1, maxReplicas, func(c *Config) *int { return &c.CanaryMaxReplicas }).
		and(", at least canaryReplicas, and empty with canaryReplicas 0"),
	example: "5",
}, {
	Key: Key{"containerPort", "8080",
		"TCP port on which the app's container serves: 1 to 65535."},
	rule: wholeNumber(1, 65535, func(c *Config) *int { return &c.ContainerPort }),
}, {
	Key: Key{"protocol", ProtocolHTTP,
		"What the app speaks on containerPort: http (HTTP/1.1), http2 (without TLS) or grpc."},
	rule: choice(func(c *Config) *string { return &c.Protocol }, ProtocolHTTP, ProtocolHTTP2, ProtocolGRPC),
}, {
	Key: Key{"readinessProtocol", "",
		"How the app is asked whether it is ready: http, grpc (its health service) or tcp (whether it listens); empty means grpc with protocol grpc, else http."},
	rule:    choice(func(c *Config) *string { return &c.Readiness.Protocol }, ReadinessHTTP, ReadinessGRPC, ReadinessTCP),
	example: ReadinessHTTP,
}, {
	Key: Key{"readinessPort", "",
		"TCP port on which the app is asked whether it is ready: 1 to 65535; empty means containerPort."},
	rule:    wholeNumber(1, 65535, func(c *Config) *int { return &c.Readiness.Port }),
	example: "8081",
}, {
	Key: Key{"readinessPath", "/",
		"Path that answers 200 to 399 when the app is ready; starts with a slash. Only readinessProtocol http asks for it."},
	rule: text("a URL path that starts with a slash, without spaces and control characters",
		func(c *Config) *string { return &c.Readiness.Path }, isReadinessPath),
}, {
	Key: Key{"env", "{}",
		"Environment variables of the app, by name. An object that holds a secret value goes into a Kubernetes Secret as a whole."},
	rule:    environment(func(c *Config) *Environment { return &c.Env }),
	command: "pulumi config set --path env.LOG_LEVEL debug",
}, {
	Key: Key{"canaryEnv", "{}",
		"Environment variables of the canary alone, over those of env."},
	rule:    environment(func(c *Config) *Environment { return &c.CanaryEnv }),
	command: "pulumi config set --path canaryEnv.LOG_LEVEL debug",
}, {
	Key: Key{"pod", "",
		"What the app's pods have beside, as a pod template (metadata.labels, metadata.annotations, spec) that is merged over the program's own; its container is called app. An object, or the path of a YAML file."},
	rule:    rule{podAllowed, pod(func(c *Config) **podpatch.Patch { return &c.Pod })},
	command: "pulumi config set --path pod.spec.serviceAccountName shop",
}, {
	Key: Key{"canaryPod", "",
		"The same for the canary alone, merged over pod."},
	rule:    rule{podAllowed, pod(func(c *Config) **podpatch.Patch { return &c.CanaryPod })},
	command: "pulumi config set --path canaryPod.spec.serviceAccountName shop",
}, {
	Key: Key{"imagePullSecret", "",
		"Name of the Secret in the app's namespace with the credentials of the images' registry; empty means none."},
	rule: text("a Secret's name: a-z, 0-9, - and . as in a DNS name, at most 253 characters",
		func(c *Config) *string { return &c.ImagePullSecret }, isSecretName),
	example: "registry-credentials",
}, {
	Key: Key{"startSeconds", "600",
		"Longest start of the app until it is ready, in seconds: 1 to 3600. A container that takes longer is started anew."},
	rule: wholeNumber(1, 3600, func(c *Config) *int { return &c.StartSeconds }),
}, {
	Key: Key{"drainSeconds", "20",
		"Longest request that survives a change, in seconds: 1 to 3600."},
	rule: wholeNumber(1, 3600, func(c *Config) *int { return &c.DrainSeconds }),
}, {
	Key: Key{"outlierDetection", "false",
		"Whether callers of the app leave a pod alone for 10 s after 5 attempts in a row to reach it failed, at most half of a subset at a time, give up an attempt after 3 s, and close connections that were not used for 10 s: true or false. What pods answer plays no part."},
	rule: trueOrFalse(func(c *Config) *bool { return &c.OutlierDetection }),
}, {
	Key: Key{"clusterProvider", ProviderK3d,
		"Where the stack runs: k3d makes a cluster on this machine, existing uses the one that kubeconfig names."},
	rule: choice(func(c *Config) *string { return &c.Cluster.Provider }, ProviderK3d, ProviderExisting),
}, {
	Key: Key{"clusterName", "canary",
		"Name of the k3d cluster: a DNS label of at most " + strconv.Itoa(maxClusterNameLen) + " characters."},
	rule: text("a DNS label (a-z, 0-9 and -) of at most "+strconv.Itoa(maxClusterNameLen)+" characters",
		func(c *Config) *string { return &c.Cluster.Name }, isClusterName),
}, {
	Key: Key{"agents", "3",
		"Agent nodes of the k3d cluster beside its one server: 0 to 16. Other numbers are taken on while it runs, 0 and others than 0 apart."},
	rule: wholeNumber(0, 16, func(c *Config) *int { return &c.Cluster.Agents }),
}, {
	Key: Key{"k3sImage", pins.K3sImage,
		"Image of the k3d cluster's nodes, by tag or digest."},
	rule: text(imageAllowed, func(c *Config) *string { return &c.Cluster.K3sImage }, isPinnedReference),
}, {
	Key: Key{"httpPort", "80",
		"TCP port of this machine that reaches the ingress gateway: 1 to 65535."},
	rule: wholeNumber(1, 65535, func(c *Config) *int { return &c.Cluster.HTTPPort }).
		and(", and another than httpsPort"),
}, {
	Key: Key{"httpsPort", "443",
		"TCP port of this machine that reaches the ingress gateway's HTTPS, when there is a certificate: 1 to 65535, or 0 for none."},
	rule: wholeNumber(0, 65535, func(c *Config) *int { return &c.Cluster.HTTPSPort }).
		and(", and another than httpPort"),
}, {
	Key: Key{"registryPort", "",
		"TCP port of this machine on which the k3d cluster's own registry takes images, which its nodes pull by the same name, localhost:<registryPort>/NAME: 1 to 65535, or 0 for no registry. Empty means " + strconv.Itoa(defaultRegistryPort) + "; a cluster that was made before there was this key then stays without one."},
	rule: wholeNumber(0, 65535, func(c *Config) *int { return &c.Cluster.RegistryPort }).
		and(", another than httpPort and httpsPort, and only with clusterProvider k3d"),
	example: strconv.Itoa(defaultRegistryPort + 1),
}, {
	Key: Key{"imageCache", dockerHub,
		"Registry that the images of docker.io come from, through a cache on this machine that all k3d clusters share, and that pulumi destroy keeps: an http or https URL without a path, or " + noImageCache + " for no cache. A living cluster keeps the one that it was made with, and pulumi up says so."},
	rule: rule{noImageCache + ", or an http or https URL of a registry without path and credentials, in lower case", setImageCache},
}, {
	Key: Key{"metricsServer", "false",
		"Whether the k3d cluster runs Kubernetes' metrics-server, which autoscalers go by: true or false."},
	rule: trueOrFalse(func(c *Config) *bool { return &c.Cluster.MetricsServer }),
}, {
	Key: Key{"kubeconfig", "",
		"Kubeconfig of the existing cluster, as a file's path or as the content itself, which belongs in a secret; needed with clusterProvider existing and allowed only there."},
	rule: text("the path or the content of a kubeconfig, only with clusterProvider existing",
		func(c *Config) *string { return &c.Cluster.Kubeconfig }, isAnything),
	example: "~/.kube/config",
	hidden:  true,
}, {
	Key: Key{"context", "",
		"Context of the kubeconfig to use, only with clusterProvider existing; empty means its current one."},
	rule: text("the name of a context, only with clusterProvider existing",
		func(c *Config) *string { return &c.Cluster.Context }, isOneLine),
	example: "staging",
}, {
	Key: Key{"importImages", "",
		"Images of this machine's Docker to load into the k3d cluster, by tag, separated by commas or spaces; empty means none."},
	rule:    rule{"image references with a tag and no digest, separated by commas or spaces, only with clusterProvider k3d", setImportImages},
	example: "app:1.0.0,app:1.1.0",
}, {
	Key: Key{"istioInstall", "true",
		"Whether the stack installs Istio: true, or false to use the one that an existing cluster has."},
	rule: trueOrFalse(func(c *Config) *bool { return &c.Istio.Install }).
		and(", and false only with clusterProvider existing"),
}, {
	Key: Key{"istioGateway", defaultGateway,
		"Value of the label istio on the pods of the ingress gateway, which is another than the default only with istioInstall false."},
	rule: text("a label's value: letters, digits, -, _ and ., at most 63 characters, "+defaultGateway+" with istioInstall true",
		func(c *Config) *string { return &c.Istio.Gateway }, isLabelValue),
}, {
	Key: Key{"istioNamespace", defaultIstioNamespace,
		"Namespace of the ingress gateway's pods, which is another than the default only with istioInstall false."},
	rule: text("a DNS label (a-z, 0-9 and -) of at most 63 characters, "+defaultIstioNamespace+" with istioInstall true",
		func(c *Config) *string { return &c.Istio.Namespace }, isNamespaceName),
}, {
	Key: Key{"istioRevision", "",
		"Revision or tag of the Istio that gives the app its sidecars (label istio.io/rev); empty means the one that answers to istio-injection=enabled."},
	rule: text("a label's value: letters, digits, -, _ and ., at most 63 characters",
		func(c *Config) *string { return &c.Istio.Revision }, isEmptyOrLabelValue),
	example: "asm-managed",
}, {
	Key: Key{"istioVersion", pins.IstioVersion,
		"Version of Istio's charts: major.minor.patch."},
	rule: text("a version major.minor.patch", func(c *Config) *string { return &c.Istio.Version }, isVersion),
}, {
	Key: Key{"istioChartRepository", pins.IstioChartRepository,
		"Helm repository of Istio's charts: an http, https or oci URL."},
	rule: text("an http, https or oci URL without credentials, query and fragment",
		func(c *Config) *string { return &c.Istio.ChartRepository }, isChartRepository),
}, {
	Key: Key{"istioHub", pins.IstioHub,
		"Registry and folder of Istio's images."},
	rule: text("an image reference's registry and folder, without tag and digest",
		func(c *Config) *string { return &c.Istio.Hub }, isRepository),
}, {
	Key: Key{"istioTag", "",
		"Tag of Istio's images; empty means the value of istioVersion."},
	rule: text("an image tag: letters, digits, _, . and -, at most 128 characters",
		func(c *Config) *string { return &c.Istio.Tag }, isTag),
	example: pins.IstioVersion,
}, {
	Key: Key{"istioValues", "{}",
		"Extra Helm values by chart, merged last: an object whose keys are among base, istiod, ingressgateway and egressgateway."},
	rule:    rule{"a JSON object whose keys are among base, istiod, ingressgateway and egressgateway, each with an object", setIstioValues},
	command: "pulumi config set --path istioValues.istiod.autoscaleEnabled false",
}, {
	Key: Key{"convergeTimeout", "60",
		"Longest wait for every proxy to serve a new split, in seconds: 1 to 3600."},
	rule: wholeSeconds(1, 3600, func(c *Config) *time.Duration { return &c.ConvergeTimeout }),
}, {
	Key: Key{"promotion", "",
		"The promotion that is under way, or was taken back, as `canary promote` writes it; not for people."},
	rule: text("what `canary promote` writes",
		func(c *Config) *string { return &c.Promotion }, func(value string) bool { return json.Valid([]byte(value)) }),
	example: "{}",
}}
