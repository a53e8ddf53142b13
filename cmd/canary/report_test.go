package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/promotion"
	"canary/internal/stack"
)

type fakeHistory struct {
	history []stack.Recorded
	err     error
}

func (fakeHistory) String() string { return "stack dev of project shop" }

func (f fakeHistory) History(context.Context) ([]stack.Recorded, error) { return f.history, f.err }

//nolint:paralleltest // it writes into the working folder
func TestReport(t *testing.T) {
	t.Chdir(t.TempDir())
	update := stack.Recorded{
		Kind: "update", Message: "canary promote shop:2: the canary gets shop:2", Begun: time.Date(2026, 11, 27, 11, 0, 0, 0, time.UTC),
		Ended: time.Date(2026, 11, 27, 11, 0, 9, 0, time.UTC), Succeeded: true,
		Settings: settings(promotion.Key, underWay(promotion.Runner{User: "ann", Host: "elsewhere", Process: 7})),
	}
	unwritable := filepath.Join("missing", "x.html")
	for _, tc := range []struct {
		name string
		args []string
		from fakeHistory
		code int
		want string
		file string
	}{
		{"the last one", nil, fakeHistory{history: []stack.Recorded{update}}, 0, "promotion-a.html: shop:2, under way, or held\n", "promotion-a.html"},
		{"a named one", []string{"--id", "a", "--output", "x.html"}, fakeHistory{history: []stack.Recorded{update}}, 0, "x.html: shop:2, under way, or held\n", "x.html"},
		{"for programs", []string{"--output", "json"}, fakeHistory{history: []stack.Recorded{update}}, 0, `{
  "stack": "stack dev of project shop",
  "outcome": "under way, or held",
  "seconds": 9,
  "promotion": {
    "image": "shop:2",
    "steps": [
      "100"
    ],
    "bake": "0s",
    "maxHold": "0s",
    "maxFailures": 0,
    "maxSlowdown": 0,
    "confidence": 0,
    "keepCanary": false,
    "id": "a",
    "by": {
      "user": "ann",
      "host": "elsewhere",
      "process": 7
    },
    "begun": "2026-11-27T11:00:00Z",
    "stage": 1
  },
  "updates": [
    {
      "name": "the canary gets shop:2",
      "weight": 0,
      "begun": "2026-11-27T11:00:00Z",
      "ended": "2026-11-27T11:00:09Z",
      "succeeded": true
    }
  ]
}
`, ""},
		{"none", nil, fakeHistory{}, exitCannot, "canary: the stack's history has no promotion: `canary promote --image IMAGE` begins one\n", ""},
		{"not there", []string{"--id", "b"}, fakeHistory{history: []stack.Recorded{update}}, exitCannot, "canary: --id is \"b\", and the stack's history has a\n", ""},
		{"unreadable", nil, fakeHistory{err: errors.New("no stack selected")}, exitCannot, "canary: no stack selected\n", ""},
		{"unwritable", []string{"--output", unwritable}, fakeHistory{history: []stack.Recorded{update}}, exitCannot, "canary: open " + unwritable + ": no such file or directory\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) { //nolint:paralleltest // as above
			var out bytes.Buffer
			code := run(t.Context(), append([]string{"report"}, tc.args...), environment{
				stdout: &out, stderr: &out,
				historian: func(context.Context, string) (historian, error) { return tc.from, nil },
			})
			require.Equal(t, tc.code, code)
			require.Equal(t, tc.want, out.String())
			if tc.file != "" {
				page, err := os.ReadFile(tc.file)
				require.NoError(t, err)
				require.Contains(t, string(page), "Canary release on stack dev of project shop")
			}
		})
	}
}
