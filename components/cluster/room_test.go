package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/config"
)

func TestRoom(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cluster config.Cluster
		appPods int
		want    string
	}{
		"default":          {config.Cluster{Agents: 3}, 2, "server=512 agents=3 agent=256 pods=387 images=458"},
		"the least":        {config.Cluster{}, 1, "server=512 agents=0 agent=256 pods=346 images=458"},
		"a metrics-server": {config.Cluster{Agents: 3, MetricsServer: true}, 2, "server=512 agents=3 agent=256 pods=461 images=458"},
		"the most":         {config.Cluster{Agents: 16, MetricsServer: true}, 200, "server=512 agents=16 agent=256 pods=8766 images=458"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, room(tc.cluster, tc.appPods))
		})
	}
}
