//go:build e2e && bench

package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/test/bench"
	"canary/test/e2e/harness"
)

// measurePromotion lets `canary promote` walk podinfo through four steps that are held for no time, under load.
func (m *measurement) measurePromotion(t *testing.T, f *bench.Figures) {
	t.Helper()
	app := m.Example(t)
	m.SetAll(t, "stableImage="+harness.ImagePodinfo, "containerPort=9898", "readinessProtocol=tcp", "canaryReplicas=0", "canaryWeight=0")
	m.Up(t)
	finish := app.Load(t, 100)
	o := m.AttemptCommand(t, "canary", "promote", "--stack", m.Stack, "--image", harness.ImagePodinfo, "--steps", "5,25,50,100", "--bake", "0")
	tally := finish()
	t.Log(o.All)
	require.Zero(t, o.Code)
	harness.RequireNoneFailed(t, tally)

	report := m.AttemptCommand(t, "canary", "report", "--stack", m.Stack, "--output", "json")
	require.Zero(t, report.Code, report.All)
	var released struct {
		Updates []struct {
			Name         string
			Weight       float64
			Begun, Ended time.Time
		}
	}
	require.NoError(t, json.Unmarshal([]byte(report.All), &released))
	var steps []time.Duration
	for _, update := range released.Updates {
		t.Logf("%-60s weight %3v, %v", update.Name, update.Weight, update.Ended.Sub(update.Begun))
		if strings.Contains(update.Name, " % of ") {
			steps = append(steps, update.Ended.Sub(update.Begun))
		}
	}
	require.Len(t, steps, 4)
	f.AtMost(2.5, "promotionStepSeconds", bench.Median(steps), "the update of a step of `canary promote --steps 5,25,50,100 --bake 0`, podinfo, under 100 requests a second, of which none failed")
	f.AtMost(25, "promotionSeconds", o.Took.Seconds(), "all of that promotion, the image's pods and stable's included")
}
