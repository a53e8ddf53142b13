package stack

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An updater speaks with the CLI as the Automation API does; what the fake is told stands
// in a file.
//
//nolint:paralleltest // the fake is found on the PATH of the whole process
func TestUpdater(t *testing.T) {
	gone := exec.Command("true")
	require.NoError(t, gone.Run())
	host, err := os.Hostname()
	require.NoError(t, err)
	dir := t.TempDir()
	said, secret := filepath.Join(dir, "said"), filepath.Join(dir, "secret")
	fakePulumi(t, fmt.Sprintf(`echo "$*" >> %s
case "$*" in
version*) echo v3.215.0 ;;
"config --show-secrets --json"*) echo '{"shop:canaryWeight":{"value":"5"},"shop:token":{"value":"x","secret":true},"kubernetes:context":{"value":"c"}}' ;;
"stack history"*) echo '[{"kind":"update","result":"failed","config":{"shop:promotion":{"value":"{}"}}}]' ;;
"config set --path"*) read -r value; echo "$value" > %s ;;
up*) [ -e %s/unlocked ] && exit 0
  echo "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock file with 'pulumi cancel'." >&2
  read -r pid < %s/pid
  echo "  file:///state: created by ann@%s (pid $pid) at 2026-11-27T12:00:00Z" >&2
  exit 255 ;;
cancel*) : > %s/unlocked ;;
"stack output"*) echo '{}' ;;
esac`, said, secret, dir, dir, host, dir))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), []byte("name: shop\nruntime: go\n"), 0o600))
	t.Chdir(dir)

	u, err := Open(t.Context(), "dev")
	require.NoError(t, err)
	settings, err := u.Settings(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]Value{"canaryWeight": {Text: "5"}, "token": {Text: "x", Secret: true}}, settings)
	last, succeeded, err := u.Last(t.Context())
	require.NoError(t, err)
	require.False(t, succeeded)
	require.Equal(t, map[string]Value{"promotion": {Text: "{}"}}, last)

	lockedBy := func(pid int) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "pid"), fmt.Appendln(nil, pid), 0o600))
	}
	lockedBy(os.Getpid())
	var lines []string
	say := func(line string) { lines = append(lines, line) }
	change := Change{
		Set:    map[string]Value{"canaryWeight": {Text: "0"}, "env.LEVEL": {Text: "info"}, "env.TOKEN": {Text: "hidden", Secret: true}},
		Remove: []string{"promotion"},
	}
	require.EqualError(t, u.Update(t.Context(), change, "a release", say), fmt.Sprintf(
		"another update of the stack is under way (by ann@%s (pid %d)), or was killed: wait for it, or type `pulumi cancel` if it is gone", host, os.Getpid()))
	require.NoFileExists(t, filepath.Join(dir, "unlocked"))

	lockedBy(gone.Process.Pid)
	require.NoError(t, u.Update(t.Context(), Change{}, "a release", say))
	require.Equal(t, []string{fmt.Sprintf("an update that was killed had locked the stack (by ann@%s (pid %d))", host, gone.Process.Pid)}, lines)

	commands, err := os.ReadFile(said)
	require.NoError(t, err)
	for _, want := range []string{
		"stack select --stack dev", "config set-all --stack dev --path --plaintext shop:env.LEVEL=info", "config rm-all --stack dev shop:promotion", "cancel --yes --stack dev",
		"config set --path --secret --stack=dev shop:env.TOKEN", "--message=a release --stack=dev --config=shop:canaryWeight=0",
	} {
		require.Contains(t, strings.ReplaceAll(string(commands), " --non-interactive", ""), want)
	}
	require.NotContains(t, string(commands), "hidden")
	value, err := os.ReadFile(secret)
	require.NoError(t, err)
	require.Equal(t, "hidden\n", string(value))
}
