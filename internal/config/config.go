// Package config turns the stack's configuration into a typed Config. Every key is declared once, in
// keys.go, with its default, its description and the values it allows; Pulumi.yaml and the README's table
// are written from there. All problems of a configuration are reported in one error.
package config

import (
	"time"

	"canary/internal/podpatch"
)

// Config is the checked configuration of one stack; values that were left out are filled in.
type Config struct {
	// CanaryWeight is the canary's share of the requests.
	CanaryWeight Weight
	// CanaryHeader is the header of requests that always reach the canary, NAME or NAME=VALUE; "" is none.
	CanaryHeader string
	// MirrorPercent is the share of the requests that are copied to the canary.
	MirrorPercent Weight
	// StickyCookie is the name of the cookie that keeps a user on a version, for StickySeconds; "" is none.
	StickyCookie  string
	StickySeconds int
	// Promotion is the one that is under way, in JSON, for the stack's history; "" is none.
	Promotion string
	// Name is that of the app's Service, Deployments and routes; with "-canary" it is still a DNS label.
	Name string
	// Namespace is the app's namespace.
	Namespace string
	// CreateNamespace is whether the stack makes the namespace; with false it is there and somebody else's.
	CreateNamespace bool
	// Hosts are the DNS names of ingress traffic, at least one and each once, in lower case, with at
	// least one dot. The first is the main host, which the app's URL has.
	Hosts []string
	// TLS is how Hosts are served to the outside.
	TLS TLS
	// StableImage is the stable subset's image, by tag or digest; "" is the example app.
	StableImage string
	// CanaryImage is the canary subset's image, by tag or digest; "" is the example app.
	CanaryImage string
	// StableReplicas is the wanted number of stable pods, 1 to 100.
	StableReplicas int
	// CanaryReplicas is the wanted number of canary pods, 0 to 100; 0 only at weight 0.
	CanaryReplicas int
	// StableMaxReplicas and CanaryMaxReplicas are how many pods an autoscaler may make of a subset; each is
	// at least the wanted number, and the same where there is none.
	StableMaxReplicas, CanaryMaxReplicas int
	// ContainerPort is the port on which the app serves.
	ContainerPort int
	// Protocol is what it speaks there: ProtocolHTTP, ProtocolHTTP2 or ProtocolGRPC.
	Protocol string
	// Readiness is how the app is asked whether it is ready.
	Readiness Readiness
	// Env are the environment variables of the stable subset, CanaryEnv those of the canary: Env with
	// what it has of its own.
	Env, CanaryEnv Environment
	// Pod is merged over the pods of both subsets, then CanaryPod over those of the canary; nil is nothing.
	Pod, CanaryPod *podpatch.Patch
	// ImagePullSecret is the name of a Secret in Namespace; "" is none.
	ImagePullSecret string
	// StartSeconds is how long the app's start may take, 1 to 3600 seconds.
	StartSeconds int
	// DrainSeconds is the longest request that survives a change, 1 to 3600 seconds.
	DrainSeconds int
	// OutlierDetection is whether callers leave a pod alone for a while that they cannot reach.
	OutlierDetection bool
	// Cluster is where the stack runs.
	Cluster Cluster
	// Istio is the mesh.
	Istio Istio
	// ConvergeTimeout is the longest wait for every proxy to serve a new split, 1 second to 1 hour.
	ConvergeTimeout time.Duration
}

// Values of Config.Protocol, which are Kubernetes' and Istio's names for the Service's appProtocol.
const (
	ProtocolHTTP  = "http"
	ProtocolHTTP2 = "http2"
	ProtocolGRPC  = "grpc"
)

// Values of Readiness.Protocol.
const (
	ReadinessHTTP = "http"
	ReadinessGRPC = "grpc" // the service grpc.health.v1.Health
	ReadinessTCP  = "tcp"
)

// Readiness is how the app is asked whether it is ready.
type Readiness struct {
	// Protocol is ReadinessHTTP, ReadinessGRPC or ReadinessTCP.
	Protocol string
	// Port is the one to ask on.
	Port int
	// Path is what ReadinessHTTP asks for; it starts with a slash.
	Path string
}

// Values of Cluster.Provider.
const (
	ProviderK3d      = "k3d"      // the stack makes a k3d cluster on this machine
	ProviderExisting = "existing" // the stack uses the cluster that Kubeconfig names
)

// Cluster says where the stack runs. Name, Agents, K3sImage and ImportImages matter to k3d only;
// Kubeconfig and Context are empty with k3d.
type Cluster struct {
	// Provider is ProviderK3d or ProviderExisting.
	Provider string
	// Name is the k3d cluster's, at most 32 characters.
	Name string
	// Agents is the number of nodes beside the one server, 0 to 16.
	Agents int
	// K3sImage is the image of the nodes, by tag or digest.
	K3sImage string
	// HTTPPort is the port of this machine that reaches the ingress gateway.
	HTTPPort int
	// HTTPSPort is the port of this machine that reaches the gateway's HTTPS; 0 is none.
	HTTPSPort int
	// RegistryPort is the port of this machine on which the k3d cluster's registry answers; 0 is no registry.
	RegistryPort int
	// RegistrySet is whether RegistryPort was set: the default alone does not ask for a registry where a
	// cluster lives without one.
	RegistrySet bool
	// ImageCache is the registry that the cache of images pulls those of docker.io from; "" is no cache.
	ImageCache string
	// MetricsServer is whether the k3d cluster has Kubernetes' metrics-server.
	MetricsServer bool
	// Kubeconfig is a path or the content itself, never empty with an existing cluster. It may hold
	// credentials: keep it out of output and mark it secret before it enters the state.
	Kubeconfig string
	// Context is the kubeconfig's context to use; "" is its current one.
	Context string
	// ImportImages are images of this machine's Docker to load into the k3d cluster, by tag or digest.
	ImportImages []string
}

// Istio is the mesh that the stack installs or finds.
type Istio struct {
	// Install is whether the stack installs Istio; false only with an existing cluster.
	Install bool
	// Gateway is the value of the label istio on the ingress gateway's pods; another than
	// "ingressgateway" only with an Istio that the stack does not install.
	Gateway string
	// Namespace is the one of the ingress gateway's pods.
	Namespace string
	// Revision is the revision or tag of the Istio that injects the app's sidecars; "" is the one that
	// answers to istio-injection=enabled.
	Revision string
	// Version is that of the charts: major.minor.patch.
	Version string
	// ChartRepository is an http, https or oci URL.
	ChartRepository string
	// Hub is the registry and folder of the images, Tag their tag.
	Hub, Tag string
	// Values are extra Helm values by chart, merged last; each of the keys base, istiod,
	// ingressgateway and egressgateway may be there and holds an object.
	Values map[string]any
}
