package main

import "path/filepath"

// The cluster's fixed addresses, those of k3s.
const (
	clusterCIDR  = "10.42.0.0/16" // pods
	serviceCIDR  = "10.43.0.0/16"
	apiServiceIP = "10.43.0.1"
	dnsServiceIP = "10.43.0.10"
	domain       = "cluster.local"
	apiPort      = "6443"
)

// Images that the node itself asks for.
const (
	pauseImage         = "docker.io/rancher/mirrored-pause:3.6"
	coreDNSImage       = "docker.io/rancher/mirrored-coredns-coredns:1.12.4"
	metricsServerImage = "docker.io/rancher/mirrored-metrics-server:v0.9.0"
)

// layout is where things are on a node. Only data, containerd, cniState and logs outlive the container's file
// system, being volumes; run does not outlive a stop.
type layout struct {
	data       string // k3s's data folder
	kubeconfig string // the administrator's, where k3s has it
	registries string // where k3d says from which registries images are pulled
	containerd string // containerd's data folder
	cniState   string // the addresses that pods of this node have
	logs       string
	run        string
	images     string // the preloaded images
	hosts      string // names that need no DNS
	kube       string // the binary that holds all components of Kubernetes and kubectl
	ctr        string // containerd's client
}

func nodeLayout() layout {
	return layout{
		data:       "/var/lib/rancher/k3s",
		kubeconfig: "/etc/rancher/k3s/k3s.yaml",
		registries: "/etc/rancher/k3s/registries.yaml",
		containerd: "/var/lib/containerd",
		cniState:   "/var/lib/cni/networks",
		logs:       "/var/log/k3s-lab",
		run:        "/run/k3s-lab",
		images:     "/images",
		hosts:      "/etc/hosts",
		kube:       "/usr/local/bin/kube",
		ctr:        "ctr",
	}
}

// tls is a file of the server's certificates and keys.
func (l layout) tls(name string) string { return filepath.Join(l.data, "server", "tls", name) }

// cred is a kubeconfig of one of the server's components.
func (l layout) cred(name string) string {
	return filepath.Join(l.data, "server", "cred", name+".kubeconfig")
}

// agent is a file of the node as such, in both roles.
func (l layout) agent(name string) string { return filepath.Join(l.data, "agent", name) }

// cniConfig is the folder of the pod network's configuration.
func (l layout) cniConfig() string { return l.agent("etc/cni/net.d") }

// registryHosts is the folder in which containerd looks for how to reach a registry.
func (l layout) registryHosts() string { return l.agent("etc/containerd/certs.d") }

func (l layout) manifests() string { return filepath.Join(l.data, "server", "manifests") }

func (l layout) containerdSocket() string { return "/run/containerd/containerd.sock" }
