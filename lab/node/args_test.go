package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseOptions(t *testing.T) {
	t.Parallel()
	environment := map[string]string{
		"K3S_TOKEN": "secret", "K3S_URL": "https://k3d-canary-server-0:6443", "K3S_KUBECONFIG_OUTPUT": "/output/kubeconfig.yaml",
	}
	with := func(change func(*options)) options {
		o := options{token: "secret", url: environment["K3S_URL"], kubeconfigOutput: "/output/kubeconfig.yaml", componentArgs: map[string][]string{}}
		change(&o)
		return o
	}
	for name, c := range map[string]struct {
		args []string
		want options
	}{
		"server as k3d starts it": {
			args: []string{"server", "--disable=traefik,metrics-server", "--node-taint=node-role.kubernetes.io/control-plane=true:NoSchedule",
				"--tls-san", "0.0.0.0", "--tls-san", "k3d-canary-serverlb"},
			want: with(func(o *options) {
				o.role = "server"
				o.disabled = []string{"traefik", "metrics-server"}
				o.taints = []taint{{"node-role.kubernetes.io/control-plane", "true", "NoSchedule"}}
				o.tlsSANs = []string{"0.0.0.0", "k3d-canary-serverlb"}
			}),
		},
		"mirrors only": {
			args: []string{"agent", "--disable-default-registry-endpoint=true"},
			want: with(func(o *options) { o.role = "agent"; o.mirrorsOnly = true }),
		},
		"agent": {args: []string{"agent"}, want: with(func(o *options) { o.role = "agent" })},
		"agent with labels": {
			args: []string{"agent", "--node-label", "zone=a", "--node-label=disk="},
			want: with(func(o *options) { o.role = "agent"; o.labels = []string{"zone=a", "disk="} }),
		},
		"arguments of components": {
			args: []string{"server", "--kubelet-arg=feature-gates=A=true,B=false", "--kubelet-arg", "v=4", "--kube-apiserver-arg=--v=2", "--etcd-arg=debug"},
			want: with(func(o *options) {
				o.role = "server"
				o.componentArgs = map[string][]string{
					"kubelet": {"--feature-gates=A=true,B=false", "--v=4"}, "kube-apiserver": {"--v=2"}, "etcd": {"--debug"},
				}
			}),
		},
		"flags instead of the environment": {
			args: []string{"agent", "--token", "-other", "--server=https://else:6443", "--write-kubeconfig", "/x"},
			want: with(func(o *options) {
				o.role, o.token, o.url, o.kubeconfigOutput = "agent", "-other", "https://else:6443", "/x"
			}),
		},
		"unknown flags": {
			args: []string{"server", "--cluster-init", "--flannel-backend", "none", "--disable", "traefik", "--what-arg=x", "word", "--last"},
			want: with(func(o *options) {
				o.role, o.disabled = "server", []string{"traefik"}
				o.ignored = []string{"--cluster-init", "--flannel-backend none", "--what-arg=x", "word", "--last"}
			}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseOptions(c.args, func(key string) string { return environment[key] })
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestParseOptionsTellsAllProblems(t *testing.T) {
	t.Parallel()
	nothing := func(string) string { return "" }
	for name, c := range map[string]struct {
		args []string
		errs []string
	}{
		"no role":    {errs: []string{`the first argument is "", want server, agent or kubectl`}},
		"wrong role": {args: []string{"etcd-snapshot"}, errs: []string{`the first argument is "etcd-snapshot"`}},
		"many": {
			args: []string{"agent", "--node-taint=a=b", "--node-taint=:NoSchedule", "--node-taint=a:Never", "--node-label=x"},
			errs: []string{`--node-taint: "a=b", want key=value:effect`, `":NoSchedule"`, `"a:Never"`, `--node-label: "x", want key=value`, "set K3S_TOKEN", "set K3S_URL"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseOptions(c.args, nothing)
			for _, want := range c.errs {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

func TestParseTaint(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]taint{
		"a=b:NoSchedule":                    {"a", "b", "NoSchedule"},
		"a:NoExecute":                       {"a", "", "NoExecute"},
		"x.io/y=:PreferNoSchedule":          {"x.io/y", "", "PreferNoSchedule"},
		"CriticalAddonsOnly=true:NoExecute": {"CriticalAddonsOnly", "true", "NoExecute"},
	} {
		got, err := parseTaint(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
}

func TestRunsWorkloads(t *testing.T) {
	t.Parallel()
	require.True(t, options{}.runsWorkloads())
	require.True(t, options{taints: []taint{{"a", "", "PreferNoSchedule"}}}.runsWorkloads())
	require.False(t, options{taints: []taint{{"a", "", "PreferNoSchedule"}, {"b", "", "NoSchedule"}}}.runsWorkloads())
}
