package drain

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name        string
		plan        Plan
		want        Plan
		proxyConfig string
	}{
		{
			name:        "app, default",
			plan:        App(20),
			want:        Plan{Seconds: 25, Grace: 35},
			proxyConfig: "terminationDrainDuration: 25s\ndrainDuration: 45s\n",
		},
		{
			name: "gateway, default",
			plan: Gateway(20),
			want: Plan{Seconds: 10, Grace: 110, untilIdle: true},
			proxyConfig: "drainDuration: 110s\n" +
				"proxyMetadata:\n  EXIT_ON_ZERO_ACTIVE_CONNECTIONS: \"true\"\n  MINIMUM_DRAIN_DURATION: 10s\n",
		},
		{
			name:        "no request to protect",
			plan:        App(0),
			want:        Plan{Seconds: 5, Grace: 15},
			proxyConfig: "terminationDrainDuration: 5s\ndrainDuration: 45s\n",
		},
		{
			name:        "longer than Istio asks clients to close",
			plan:        App(120),
			want:        Plan{Seconds: 125, Grace: 135},
			proxyConfig: "terminationDrainDuration: 125s\ndrainDuration: 125s\n",
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, tc.plan)
			require.Equal(t, tc.proxyConfig, tc.plan.ProxyConfig())
		})
	}
}
