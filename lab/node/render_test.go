package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sebdah/goldie/v2"
	"github.com/stretchr/testify/require"
)

// The files and command lines that the components get, as they are on a node.

func renderedNode(role string) *node {
	n := &node{
		options: options{role: role, componentArgs: map[string][]string{"kubelet": {"--v=4"}}},
		layout:  nodeLayout(), name: "k3d-canary-" + role + "-0", ip: "172.18.0.3",
	}
	if role == roleServer {
		n.taints = []taint{{"node-role.kubernetes.io/control-plane", "true", "NoSchedule"}}
	} else {
		n.labels = []string{"zone=a", "disk=ssd"}
	}
	return n
}

func TestKubeletConfig(t *testing.T) {
	t.Parallel()
	for _, role := range []string{roleServer, roleAgent} {
		config, err := renderedNode(role).kubeletConfig()
		require.NoError(t, err)
		goldie.New(t).Assert(t, "kubelet-"+role, config)
	}
}

func TestContainerdConfig(t *testing.T) {
	t.Parallel()
	goldie.New(t).Assert(t, "containerd", []byte(renderedNode(roleAgent).containerdConfig(registries{})))
}

func TestPodNetwork(t *testing.T) {
	t.Parallel()
	config, err := podNetwork("10.42.1.0/24")
	require.NoError(t, err)
	goldie.New(t).Assert(t, "cni", config)
}

func TestKubeconfig(t *testing.T) {
	t.Parallel()
	for name, u := range map[string]user{
		"certificate": {Certificate: []byte("certificate"), Key: []byte("key")},
		"token":       {Token: "secret"},
	} {
		config, err := kubeconfig("https://127.0.0.1:6443", []byte("authority"), u)
		require.NoError(t, err)
		goldie.New(t).Assert(t, "kubeconfig-"+name, config)
	}
}

func TestCommandLines(t *testing.T) {
	t.Parallel()
	for role, components := range map[string]func(*node) []component{
		roleServer: func(n *node) []component {
			return []component{
				n.etcdComponent(), n.apiServerComponent(nil), n.controllerManagerComponent(), n.schedulerComponent(),
				n.containerdComponent(), n.kubeletComponent(), n.kubeProxyComponent(n.agent("kube-proxy.kubeconfig")),
			}
		},
		roleAgent: func(n *node) []component {
			return []component{n.containerdComponent(), n.kubeletComponent(), n.kubeProxyComponent(n.agent("join.kubeconfig"))}
		},
	} {
		var text strings.Builder
		for _, c := range components(renderedNode(role)) {
			fmt.Fprintf(&text, "%s: %s\n", c.name, c.path)
			for _, a := range c.args {
				fmt.Fprintf(&text, "  %s\n", a)
			}
		}
		goldie.New(t).Assert(t, "commands-"+role, []byte(text.String()))
	}
}

func TestPackagedManifests(t *testing.T) {
	t.Parallel()
	n := testNode(t, nil)
	require.NoError(t, n.stageManifests())
	for _, name := range []string{"coredns", "metrics-server"} {
		goldie.New(t).Assert(t, name, []byte(readFile(t, n.manifests()+"/"+name+".yaml")))
	}
}

func TestTokenFile(t *testing.T) {
	t.Parallel()
	text, err := tokenFile(`a,"b"`)
	require.NoError(t, err)
	require.Equal(t, `"a,""b""",k3s-lab-agent,k3s-lab-agent,system:bootstrappers`+"\n", string(text))
}
