package promotion

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/judge"
)

func TestSamples(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name           string
		steps, seconds int
		fewest, most   int
	}{
		{"a short step", 4, 10, 11, 11},
		{"a long one", 4, 600, 30, 60},
		{"a day", 4, 24 * 3600, 30, 60},
		{"many steps", 100, 600, 3, 6},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newSamples(tc.steps)
			for i := range 4*tc.seconds + 1 {
				s.add(Sample{Seconds: float64(i) / 4})
			}
			require.GreaterOrEqual(t, len(s.kept), tc.fewest)
			require.LessOrEqual(t, len(s.kept), tc.most)
			require.Zero(t, s.kept[0].Seconds)
			for i, sample := range s.kept[1:] {
				require.InDelta(t, s.every, sample.Seconds-s.kept[i].Seconds, 0.25, "evenly")
			}
			require.Less(t, float64(tc.seconds)-s.kept[len(s.kept)-1].Seconds, s.every+0.25, "to the end")
		})
	}
}

func TestSampleAsJSON(t *testing.T) {
	t.Parallel()
	sample := Sample{Seconds: 12.26, Stable: judge.Counts{Requests: 18_446_744_073_709_551_615, Failures: 1}, Canary: judge.Counts{Requests: 5}}
	text, err := json.Marshal(sample)
	require.NoError(t, err)
	require.Equal(t, "[12.3,18446744073709551615,1,5,0]", string(text))
	var again Sample
	require.NoError(t, json.Unmarshal(text, &again))
	sample.Seconds = 12.3
	require.Equal(t, sample, again)
}
