package stack

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

//nolint:paralleltest // the fake is found on the PATH of the whole process
func TestHistory(t *testing.T) {
	const update = `{"kind":"update","startTime":"2026-11-27T12:00:00.000Z","endTime":"2026-11-27T12:00:07.000Z","message":"%s","result":"%s","config":{"shop:canaryWeight":{"value":"5"},"kubernetes:context":{"value":"c"}}}`
	fakePulumi(t, `case "$*" in
version*) echo v3.215.0 ;;
"stack history --json"*"--page 1"*)
  printf '[{"kind":"update","startTime":"2026-11-27T12:01:00.000Z","message":"it runs","result":"in-progress","config":{}}'
  i=1; while [ $i -lt 100 ]; do printf ',`+update+`' newer succeeded; i=$((i+1)); done; echo ']' ;;
"stack history --json"*"--page 2"*) printf '[`+update+`]' oldest failed ;;
esac`)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), []byte("name: shop\nruntime: go\n"), 0o600))
	t.Chdir(dir)
	u, err := Open(t.Context(), "dev")
	require.NoError(t, err)
	require.Equal(t, "stack dev of project shop", u.String())
	history, err := u.History(t.Context())
	require.NoError(t, err)
	require.Len(t, history, 100)
	begun := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	want := Recorded{Kind: "update", Message: "oldest", Begun: begun, Ended: begun.Add(7 * time.Second), Settings: map[string]Value{"canaryWeight": {Text: "5"}}}
	require.Equal(t, want, history[0])
	want.Message, want.Succeeded = "newer", true
	require.Equal(t, want, history[99])

	fakePulumi(t, `echo '[{"message":"x","startTime":"yesterday","endTime":"2026-11-27T12:00:07.000Z"}]'`)
	_, err = u.History(t.Context())
	require.ErrorContains(t, err, `the stack's history has an update "x" without a time: parsing time "yesterday"`)
}
