package report

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/sebdah/goldie/v2"
	"github.com/stretchr/testify/require"

	"canary/internal/promotion"
	"canary/internal/stack"
)

// historyOf is a history as promotion.Run made one.
func historyOf(t *testing.T, name string) []stack.Recorded {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	require.NoError(t, err)
	var history []stack.Recorded
	require.NoError(t, json.Unmarshal(text, &history))
	return history
}

func TestWrite(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"promoted", "taken-back"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Find(historyOf(t, name), "")
			require.NoError(t, err)
			r.Stack = "stack prod of project shop"
			var page bytes.Buffer
			require.NoError(t, r.Write(&page))
			require.NotRegexp(t, `(?i)<(script|link|img|iframe|object)|(src|href)=|url\(|@import`, page.String(), "it needs nothing else")
			goldie.New(t, goldie.WithNameSuffix(".golden.html")).Assert(t, name, page.Bytes())
			r.Record.Judged = r.Record.Judged[:1]
			r.Record.Judged[0].Samples = r.Record.Judged[0].Samples[:1]
			var object bytes.Buffer
			require.NoError(t, r.JSON(&object))
			goldie.New(t, goldie.WithNameSuffix(".golden.json")).Assert(t, name, object.Bytes())
		})
	}
}

func TestWriteFailures(t *testing.T) {
	t.Parallel()
	r, err := Find(historyOf(t, "promoted"), "")
	require.NoError(t, err)
	r.Record.Failures = []string{"5xx", "429"}
	var page bytes.Buffer
	require.NoError(t, r.Write(&page))
	require.Contains(t, page.String(), "A request has failed when its status is among 5xx, 429.</footer>")
}

// Copies of requests are no share of them.
func TestWriteCopies(t *testing.T) {
	t.Parallel()
	history := historyOf(t, "promoted")
	for i := range history {
		history[i].Settings["mirrorPercent"] = stack.Value{Text: "10"}
	}
	r, err := Find(history, "")
	require.NoError(t, err)
	var page bytes.Buffer
	require.NoError(t, r.Write(&page))
	require.NotContains(t, page.String(), "Observed at")
	require.Contains(t, page.String(), `data-label="Observed"><small>with copies</small></td>`)
}

// What the history says is text, wherever it stands.
func TestWriteEscapes(t *testing.T) {
	t.Parallel()
	const hostile = `<script>alert(1)</script>"onload='x'`
	history := historyOf(t, "taken-back")
	for i := range history {
		record, err := promotion.ParseRecord(history[i].Settings[promotion.Key].Text)
		require.NoError(t, err)
		record.Image, record.By.User, record.ID = hostile, hostile, hostile
		for at := range record.Judged {
			record.Judged[at].Weight = hostile
		}
		if record.Failed != "" {
			record.Failed = hostile + "\n" + hostile
		}
		history[i].Message = hostile
		history[i].Settings[promotion.Key] = stack.Value{Text: record.String()}
	}
	r, err := Find(history, "")
	require.NoError(t, err)
	r.Stack = hostile
	var page bytes.Buffer
	require.NoError(t, r.Write(&page))
	require.NotContains(t, page.String(), "<script")
	require.NotContains(t, page.String(), `"onload`)
	require.Contains(t, page.String(), "&lt;script&gt;alert(1)&lt;/script&gt;")
}

func TestFind(t *testing.T) {
	t.Parallel()
	promoted, takenBack := historyOf(t, "promoted"), historyOf(t, "taken-back")
	for i := range takenBack {
		record, err := promotion.ParseRecord(takenBack[i].Settings[promotion.Key].Text)
		require.NoError(t, err)
		record.ID = "other"
		takenBack[i].Settings[promotion.Key] = stack.Value{Text: record.String()}
	}
	here := func(process int) []stack.Recorded {
		first := promoted[0]
		record, err := promotion.ParseRecord(first.Settings[promotion.Key].Text)
		require.NoError(t, err)
		record.By = promotion.Me()
		record.By.Process = process
		first.Settings = map[string]stack.Value{promotion.Key: {Text: record.String()}}
		return []stack.Recorded{first}
	}
	gone := exec.Command("true")
	require.NoError(t, gone.Run())
	by := func(message string) []stack.Recorded {
		return append(slices.Clone(promoted[:2]), stack.Recorded{Kind: "update", Message: message, Succeeded: true})
	}
	failed := slices.Clone(promoted)
	failed[6].Succeeded = false
	for _, tc := range []struct {
		name           string
		history        []stack.Recorded
		id             string
		outcome        Outcome
		updates, steps int
	}{
		{"promoted", promoted, "", Promoted, 7, 4},
		{"taken back", takenBack, "", TakenBack, 4, 2},
		{"the last one", slices.Concat(promoted, takenBack), "", TakenBack, 4, 2},
		{"a named one", slices.Concat(takenBack, promoted, takenBack), "dh2x7kq0v3a1", Promoted, 7, 4},
		{"updates after it are none of it", append(slices.Clone(takenBack), takenBack[3], stack.Recorded{Kind: "update"}), "", TakenBack, 4, 2},
		{"updates before it neither", append([]stack.Recorded{{Kind: "update"}, {Kind: "destroy"}}, promoted...), "", Promoted, 7, 4},
		{"rolled back", by("canary rollback"), "", RolledBack, 3, 0},
		{"ended", by("my own"), "", Ended, 3, 0},
		{"the last update failed", failed, "", Held, 7, 4},
		{"elsewhere", promoted[:3], "", Unknown, 3, 1},
		{"under way", here(os.Getppid()), "", UnderWay, 1, 0},
		{"held", here(gone.Process.Pid), "", Held, 1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r, err := Find(tc.history, tc.id)
			require.NoError(t, err)
			require.Equal(t, tc.outcome, r.Outcome)
			require.Equal(t, tc.updates, len(r.Updates)) //nolint:testifylint // Len would print all of them
			require.Equal(t, tc.steps, len(r.Steps))     //nolint:testifylint // likewise
			require.NoError(t, r.Write(io.Discard))
		})
	}
	_, err := Find([]stack.Recorded{{Kind: "update"}}, "")
	require.EqualError(t, err, "the stack's history has no promotion: `canary promote --image IMAGE` begins one")
	_, err = Find(slices.Concat(promoted, takenBack), "x")
	require.EqualError(t, err, `--id is "x", and the stack's history has dh2x7kq0v3a1, other`)
}

// At 100 % the verdict has the requests of the steps before; the step's own are without.
func TestStep(t *testing.T) {
	t.Parallel()
	r, err := Find(historyOf(t, "promoted"), "")
	require.NoError(t, err)
	for i, want := range []float64{0.05, 0.25, 0.5, 1} {
		require.InDelta(t, want, r.Steps[i].Share(), 0.01)
		require.Equal(t, i == 3, r.Steps[i].Beside())
	}
	bare := r.Steps[1]
	bare.Samples = nil
	require.Len(t, bare.observed(0), 2, "without readings it is one level")
}
