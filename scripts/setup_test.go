package scripts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// newSetup is a desk for setup.sh: a Go that builds a lab that only notes its calls, and an installer that does, too.
func newSetup(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	d.copy("setup.sh", "env.sh")
	d.write("scripts/tools.sh", "#!/bin/sh\necho \"tools $*\" >>\"$DESK/calls\"\n")
	d.write("lab/placeholder", "")
	for name, script := range map[string]string{
		"go": `echo "go $*" >>"$DESK/calls"
while [ $# -gt 1 ]; do [ "$1" != -o ] || out=$2; shift; done
printf '#!/bin/sh\necho "lab $*" >>"$DESK/calls"\n' >"$out"
chmod +x "$out"
`,
		"curl":  `exit "${CURL_CODE:-0}"`,
		"uname": `echo "${MACHINE:-Linux x86_64}"`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(d.bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	}
	return d
}

// setup runs setup.sh and gives what it said, the calls of tools and lab, and whether it succeeded.
func (d *desk) setup(env ...string) (said, calls string, ok bool) {
	d.t.Helper()
	cmd := d.command("bash", "scripts/setup.sh")
	cmd.Env = append(append(cmd.Env, "MODE=", "PULUMI_CONFIG_PASSPHRASE="), env...)
	out, err := cmd.CombinedOutput()
	text, readErr := os.ReadFile(filepath.Join(d.project, "calls"))
	if readErr != nil {
		require.ErrorIs(d.t, readErr, os.ErrNotExist)
	}
	require.NoFileExists(d.t, filepath.Join(d.project, "pwned"))
	return string(out), string(text), err == nil
}

func TestModeIsChosen(t *testing.T) {
	t.Parallel()
	const reachable, unreachable = "CURL_CODE=0", "CURL_CODE=28"
	for name, tc := range map[string]struct {
		env    []string
		before string // the mode of an earlier run
		want   string // the mode, or "" when setup refuses
		says   string
	}{
		"registries answer":      {env: []string{reachable}, want: "normal", says: "mode: normal, since container registries can be reached"},
		"no registry":            {env: []string{unreachable}, want: "lab", says: "mode: lab, since no container registry can be reached"},
		"no registry on a Mac":   {env: []string{unreachable, "MACHINE=Darwin arm64"}, says: "the offline lab needs Linux on x86_64 (this is Darwin arm64)"},
		"normal asked for":       {env: []string{unreachable, "MODE=normal"}, want: "normal", says: "mode: normal, as asked for"},
		"lab asked for":          {env: []string{reachable, "MODE=lab"}, want: "lab", says: "mode: lab, as asked for"},
		"as before":              {env: []string{reachable, "MODE=auto"}, before: "lab", want: "lab", says: "mode: lab, as before"},
		"another than before":    {env: []string{"MODE=normal"}, before: "lab", want: "normal", says: "as asked for"},
		"unknown":                {env: []string{"MODE=fast"}, says: `error: MODE is "fast": allowed are auto, normal and lab`},
		"unknown with a command": {env: []string{"MODE=$(touch pwned)"}, says: "allowed are auto, normal and lab"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newSetup(t)
			if tc.before != "" {
				d.write(".canary/mode", tc.before+"\n")
			}
			said, calls, ok := d.setup(tc.env...)
			require.Contains(t, said, tc.says)
			require.Equal(t, tc.want != "", ok, said)
			switch tc.want {
			case "normal":
				require.Contains(t, calls, "tools ")
				require.NotContains(t, calls, "lab start")
			case "lab":
				require.Contains(t, calls, "lab --project "+d.project+" start")
				require.NotContains(t, calls, "tools ")
			default:
				require.Empty(t, calls)
				return
			}
			mode, err := os.ReadFile(filepath.Join(d.project, ".canary", "mode"))
			require.NoError(t, err)
			require.Equal(t, tc.want, strings.TrimSpace(string(mode)))
			require.Contains(t, calls, "build -o "+d.project+"/.canary/bin/canary ./cmd/canary")
		})
	}
}

func TestPassphraseIsMadeOnceForTheUserAlone(t *testing.T) {
	t.Parallel()
	d := newSetup(t)
	file := filepath.Join(d.project, ".canary", "passphrase")
	var first []byte
	for range 2 {
		said, calls, ok := d.setup()
		require.True(t, ok, said)
		passphrase, err := os.ReadFile(file)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(strings.TrimSpace(string(passphrase))), 32)
		require.NotContains(t, said+calls, strings.TrimSpace(string(passphrase)))
		require.Equal(t, os.FileMode(0o600), modeOf(t, file))
		if first != nil {
			require.Equal(t, string(first), string(passphrase))
		}
		first = passphrase
	}
}
