// Command node is what the lab's node image runs in the place of k3s: a supervisor of upstream Kubernetes
// components that keeps the contract between k3d and k3s.
//
// `k3s server` runs etcd, the API server, the controller manager, the scheduler and what `k3s agent` runs:
// containerd, the kubelet and kube-proxy. It takes k3s's arguments and environment as far as k3d gives them,
// says the log lines that k3d waits for, writes the kubeconfig that k3d reads, applies the manifests folder,
// keeps routes between the nodes' pods, and gives LoadBalancer Services the nodes' addresses.
//
// Where to read on: server.go and agent.go are the two roles, join.go what a node does in both, supervisor.go
// keeps the components running, commands.go has their command lines, pki.go the certificates.
package main
