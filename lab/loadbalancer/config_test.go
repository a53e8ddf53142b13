package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want config
		errs []string
	}{
		"as k3d writes it": {
			text: "ports:\n  80.tcp:\n  - k3d-canary-agent-0\n  - k3d-canary-server-0\n  6443.tcp:\n  - k3d-canary-server-0\nsettings:\n  workerConnections: 1026\n",
			want: config{idle: 600 * time.Second, hosts: map[port][]string{
				{80, "tcp"}:   {"k3d-canary-agent-0", "k3d-canary-server-0"},
				{6443, "tcp"}: {"k3d-canary-server-0"},
			}},
		},
		"timeout and udp": {
			text: "ports: {53.udp: [a]}\nsettings: {defaultProxyTimeout: 900}\n",
			want: config{idle: 900 * time.Second, hosts: map[port][]string{{53, "udp"}: {"a"}}},
		},
		"all problems at once": {
			text: "ports: {53.sctp: [a], 70000.tcp: [a], 80.tcp: [], 81.tcp: ['']}\nsettings: {defaultProxyTimeout: -1}\n",
			errs: []string{`"53.sctp"`, `"70000.tcp"`, `"80.tcp": hosts are []`, `"81.tcp": hosts are [""]`, "defaultProxyTimeout is -1s"},
		},
		"empty":    {text: "\n", errs: []string{"ports is empty"}},
		"not YAML": {text: "ports: [", errs: []string{"yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseConfig([]byte(c.text))
			if len(c.errs) == 0 {
				require.NoError(t, err)
				require.Equal(t, c.want, got)
			}
			for _, want := range c.errs {
				require.ErrorContains(t, err, want)
			}
		})
	}
}
