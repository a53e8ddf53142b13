package rollout

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/release"
)

// wanting is what the default configuration wants, with so many percent for the
// canary.
func wanting(canary float64) Wanted {
	weight := int32(math.Round(100 * canary))
	return Wanted{
		Split:   release.Split{Stable: 10_000 - weight, Canary: weight},
		Pods:    map[string]release.Pods{release.Stable: release.Fixed(1), release.Canary: release.Fixed(1)},
		Timeout: time.Minute,
		Gateway: "ingressgateway",
	}
}

// silent says nothing.
func silent() Voice {
	return Voice{Progress: func(string) {}, Info: func(string) {}, Warn: func(string) {}}
}

func requireError(t *testing.T, want string, err error) {
	t.Helper()
	if want == "" {
		require.NoError(t, err)
		return
	}
	require.EqualError(t, err, want)
}
