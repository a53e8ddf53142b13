//go:build e2e && soak

package e2e

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/traffic"
	"canary/test/e2e/harness"
)

// TestSmallWeight counts who answers at a weight of 0.05 %. SMALL_WEIGHT_REQUESTS is the number of requests (20000);
// LOAD_REPORT is a file that the result is appended to.
func TestSmallWeight(t *testing.T) {
	count := 20_000
	if text := os.Getenv("SMALL_WEIGHT_REQUESTS"); text != "" {
		var err error
		count, err = strconv.Atoi(text)
		require.NoError(t, err, "SMALL_WEIGHT_REQUESTS")
	}
	p := harness.NewLoadStack(t, harness.LoadImages(t, "a"))
	p.Set(t, "canaryWeight", "0.05")
	p.Up(t)

	const concurrency = 32
	tally := new(traffic.Tally)
	start := time.Now()
	require.NoError(t, traffic.Run(t.Context(), traffic.Options{
		URL: fmt.Sprintf("http://127.0.0.1:%d/", p.Port), Host: harness.AppName + "." + harness.AppName + ".localhost",
		Count: count, Concurrency: concurrency, OnResult: tally.Add,
	}))
	j := tally.Judge(traffic.Split{{Subset: "stable", Weight: 9995}, {Subset: "canary", Weight: 5}})
	text := fmt.Sprintf("Weight 0.05 %%: %d requests by the ingress in %.1f s, %d failed, verdict %s.", count, time.Since(start).Seconds(),
		tally.Failed(), j.Verdict)
	for _, s := range j.Subsets {
		text += fmt.Sprintf(" %s answered %d (%d to %d are within the bound).", s.Subset, s.Answers, s.Lower, s.Upper)
	}
	t.Log(text)
	if file := os.Getenv("LOAD_REPORT"); file != "" {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		require.NoError(t, err)
		_, err = f.WriteString("\n" + text + "\n")
		require.NoError(t, errors.Join(err, f.Close()))
	}
	require.Zero(t, tally.Failed(), "%v", tally.Failures())
	require.Equal(t, traffic.Within, j.Verdict)
}
