package live

import (
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/sebdah/goldie/v2"
	"github.com/stretchr/testify/require"

	"canary/internal/judge"
	"canary/internal/promotion"
	"canary/internal/stack"
)

func TestModel(t *testing.T) {
	t.Parallel()
	look := func(weight string, seconds float64, stable, canary judge.Counts) tea.Msg {
		limits := judge.Limits{MaxExcess: 0.01, Confidence: 0.99, Verdicts: 1}
		return lookMsg{Weight: weight, Seconds: seconds, Seen: promotion.Seen{Verdict: limits.Look(stable, canary)}}
	}
	passed := []tea.Msg{beginMsg(1), look("5", 131.2, judge.Counts{Requests: 25_000, Failures: 12}, judge.Counts{Requests: 1_902, Failures: 1}), beginMsg(2)}
	for _, tc := range []struct {
		name   string
		judged []promotion.Judged
		stage  int
		told   []tea.Msg
	}{
		{"begins", nil, 0, []tea.Msg{beginMsg(0)}},
		{"does-not-tell", nil, 0, []tea.Msg{beginMsg(1), look("5", 12.4, judge.Counts{Requests: 2_300, Failures: 1}, judge.Counts{Requests: 118})}},
		{"next-update", nil, 0, passed},
		{"passes", nil, 0, append(passed, look("50", 61, judge.Counts{Requests: 6_612, Failures: 3}, judge.Counts{Requests: 6_598, Failures: 4}))},
		{"fails", nil, 0, append(passed, look("50", 2.1, judge.Counts{Requests: 420}, judge.Counts{Requests: 402, Failures: 37}))},
		{"narrow", nil, 0, append(passed, look("50", 61, judge.Counts{Requests: 6_612, Failures: 3}, judge.Counts{Requests: 6_598, Failures: 4}), tea.WindowSizeMsg{Width: 40, Height: 20})},
		{"resumed", []promotion.Judged{{Weight: "5", Seconds: 120}}, 2, nil},
		{"over", nil, 0, append(passed, endMsg{})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			record := &promotion.Record{
				Plan:  promotion.Plan{Image: "shop:2", Steps: []string{"5", "50", "100"}, Bake: promotion.Duration(2 * time.Minute), MaxFailures: 0.01},
				Stage: tc.stage, Judged: tc.judged,
			}
			stages, err := promotion.Stages(record.Plan, map[string]stack.Value{})
			require.NoError(t, err)
			now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
			var m tea.Model = newModel("shop/web", record, stages, func() time.Time { return now })
			for _, msg := range tc.told {
				now = now.Add(7 * time.Second)
				m, _ = m.Update(msg)
			}
			goldie.New(t).Assert(t, tc.name, []byte(m.View()))
		})
	}
}

func TestModelGoesOn(t *testing.T) {
	t.Parallel()
	stages := []promotion.Stage{{Name: "x", Weight: "0"}}
	m := newModel("shop/web", &promotion.Record{}, stages, time.Now)
	require.NotNil(t, m.Init())
	_, cmd := m.Update(tickMsg{})
	require.NotNil(t, cmd, "the time goes on")
	_, cmd = m.Update(endMsg{})
	require.Equal(t, tea.Quit(), cmd())
}
