package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// kube is a component that is part of the one binary of Kubernetes.
func (n *node) kubeComponent(name string, args []string) component {
	return component{name: name, path: n.kube, args: append(append([]string{name}, args...), n.componentArgs[name]...)}
}

const etcdURL = "http://127.0.0.1:2379"

func (n *node) etcdComponent() component {
	const peerURL = "http://127.0.0.1:2380"
	return component{
		name: "etcd", path: "etcd",
		args: append([]string{
			"--data-dir=" + n.data + "/server/db/etcd",
			"--listen-client-urls=" + etcdURL,
			"--advertise-client-urls=" + etcdURL,
			"--listen-peer-urls=" + peerURL,
			"--initial-advertise-peer-urls=" + peerURL,
			"--initial-cluster=default=" + peerURL,
			"--snapshot-count=10000",
			"--logger=zap",
		}, n.componentArgs["etcd"]...),
		ready: func(ctx context.Context) error { return httpOK(ctx, etcdURL+"/health") },
	}
}

func (n *node) apiServerComponent(client *api) component {
	c := n.kubeComponent("kube-apiserver", []string{
		"--advertise-address=" + n.ip,
		"--secure-port=" + apiPort,
		"--etcd-servers=" + etcdURL,
		"--service-cluster-ip-range=" + serviceCIDR,
		"--allow-privileged",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--client-ca-file=" + n.tls("client-ca.crt"),
		"--tls-cert-file=" + n.tls("kube-apiserver.crt"),
		"--tls-private-key-file=" + n.tls("kube-apiserver.key"),
		"--token-auth-file=" + n.tls("tokens.csv"),
		"--kubelet-client-certificate=" + n.tls("apiserver-kubelet.crt"),
		"--kubelet-client-key=" + n.tls("apiserver-kubelet.key"),
		"--kubelet-preferred-address-types=InternalIP,Hostname",
		"--requestheader-client-ca-file=" + n.tls("request-header-ca.crt"),
		"--requestheader-allowed-names=" + frontProxy,
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + n.tls("auth-proxy.crt"),
		"--proxy-client-key-file=" + n.tls("auth-proxy.key"),
		"--service-account-issuer=https://kubernetes.default.svc." + domain,
		"--service-account-key-file=" + n.tls("service.pub"),
		"--service-account-signing-key-file=" + n.tls("service.key"),
		"--profiling=false",
	})
	c.ready = func(ctx context.Context) error { return client.get(ctx, "/readyz", nil) }
	// It takes its address out of the cluster at once, and then waits for clients to hang up.
	c.grace = time.Second
	return c
}

func (n *node) controllerManagerComponent() component {
	return n.kubeComponent("kube-controller-manager", append(controllerArgs(n.cred("controller")),
		"--allocate-node-cidrs",
		"--cluster-cidr="+clusterCIDR,
		"--service-cluster-ip-range="+serviceCIDR,
		"--cluster-signing-cert-file="+n.tls("client-ca.crt"),
		"--cluster-signing-key-file="+n.tls("client-ca.key"),
		"--root-ca-file="+n.tls("server-ca.crt"),
		"--service-account-private-key-file="+n.tls("service.key"),
		"--use-service-account-credentials",
	))
}

func (n *node) schedulerComponent() component {
	return n.kubeComponent("kube-scheduler", controllerArgs(n.cred("scheduler")))
}

// controllerArgs are for a controller that has no replica, and a server that nobody else waits for.
func controllerArgs(kubeconfig string) []string {
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1",
		"--leader-elect=false",
		"--kube-api-qps=100",
		"--kube-api-burst=200",
		"--profiling=false",
	}
}

func (n *node) containerdComponent() component {
	return component{
		name: "containerd", path: "containerd",
		args: []string{"--config=" + n.agent("etc/containerd/config.toml"), "--root=" + n.containerd, "--address=" + n.containerdSocket()},
		ready: func(ctx context.Context) error {
			_, err := run(ctx, nil, n.ctrCommand("version")...)
			return err
		},
	}
}

func (n *node) kubeletComponent() component {
	args := []string{
		"--config=" + n.agent("etc/kubelet.yaml"),
		"--kubeconfig=" + n.agent("kubelet.kubeconfig"),
		"--cert-dir=" + n.agent("kubelet-pki"),
		"--hostname-override=" + n.name,
		"--node-ip=" + n.ip,
	}
	if n.role == roleAgent {
		args = append(args, "--bootstrap-kubeconfig="+n.agent("join.kubeconfig"))
	}
	if len(n.labels) > 0 {
		args = append(args, "--node-labels="+strings.Join(n.labels, ","))
	}
	return n.kubeComponent("kubelet", args)
}

func (n *node) kubeProxyComponent(kubeconfig string) component {
	return n.kubeComponent("kube-proxy", []string{
		"--kubeconfig=" + kubeconfig,
		"--hostname-override=" + n.name,
		"--bind-address=" + n.ip,
		"--proxy-mode=iptables",
		"--cluster-cidr=" + clusterCIDR,
		// The limits are the kernel's, and with it those of all nodes.
		"--conntrack-max-per-core=0",
	})
}

// kubectl is the command line of a kubectl that acts as the supervisor.
func (n *node) kubectl(args ...string) []string {
	return slices.Concat([]string{n.kube, "kubectl", "--kubeconfig=" + n.cred("supervisor")}, args)
}

// httpOK checks that a GET succeeds.
func httpOK(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %s", url, answer.Status)
	}
	return nil
}
