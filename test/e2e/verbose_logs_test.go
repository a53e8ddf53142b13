//go:build e2e

package e2e

import (
	"encoding/base64"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/test/e2e/harness"
)

// logLine is the head of a line of the engine's log, with the source that wrote it.
var logLine = regexp.MustCompile(`^[IWEF]\d{4} \S+ +\d+ ([^:\]]+):\d+\]`)

// TestVerboseLogs measures what the engine's own log says of a secret value and of the cluster's key. The engine decides
// that; what the command prints beside the log, and with it all that the program says, must not have them.
func TestVerboseLogs(t *testing.T) {
	harness.Long(t)
	p := harness.Shared(t)
	p.RestoreAfter(t)
	value := "e2e-" + strings.Repeat("verbose", 4)
	hidden := harness.SecretsIn(t, p.Kubeconfig(t))
	hidden["value"] = value
	hidden["value in base64"] = base64.StdEncoding.EncodeToString([]byte(value))
	p.SetSecret(t, "env.DB_PASSWORD", value)

	printed, log, err := harness.Try(p.Dir, p.Env, "pulumi", append(harness.UpArgs, "-v=9", "--logtostderr", "--stack", p.Stack)...)
	require.NoError(t, err, printed)
	require.Contains(t, printed, "Resources:")
	require.Empty(t, hidden.In(printed), "what is printed beside the log")

	lines := strings.Split(log, "\n")
	require.Greater(t, len(lines), 1000, "this is no log of the engine")
	t.Logf("%d lines of log", len(lines))
	for _, name := range slices.Sorted(maps.Keys(hidden)) {
		bySource, source := map[string]int{}, "before the first line"
		for _, line := range lines { // a value may go over lines, of which only the first has a head
			if head := logLine.FindStringSubmatch(line); head != nil {
				source = head[1]
			}
			if n := strings.Count(line, hidden[name]); n > 0 {
				bySource[source] += n
			}
		}
		t.Logf("%s: %d times, by source: %v", name, strings.Count(log, hidden[name]), bySource)
	}
}
