package scripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// newCheckout is a desk where `make up` was run.
func newCheckout(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	text, err := os.ReadFile("env.sh")
	require.NoError(t, err)
	d.write("scripts/env.sh", string(text))
	d.write(".canary/mode", "normal\n")
	return d
}

// shell runs a script in a shell that begins with a user's own variables, and gives what it prints.
func shell(t *testing.T, script string, env ...string) string {
	t.Helper()
	cmd := exec.Command("bash", "-c", "set -eu; "+script)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return string(out) + stderr.String()
}

func TestEnv(t *testing.T) {
	t.Parallel()
	const show = `; echo "$PULUMI_HOME|$PULUMI_BACKEND_URL|${PULUMI_CONFIG_PASSPHRASE_FILE-none}"`
	a, b := newCheckout(t), newCheckout(t)
	use := func(d *desk) string {
		name := map[*desk]string{a: "ONE", b: "TWO"}[d]
		return `eval "$(bash "$` + name + `/scripts/env.sh")"`
	}
	projects := []string{"ONE=" + a.project, "TWO=" + b.project}
	own := func(d *desk) string {
		home := filepath.Join(d.project, ".canary")
		return home + "/pulumi|file://" + home + "/state|" + home + "/passphrase\n"
	}

	require.Equal(t, own(a), shell(t, use(a)+show, projects...))
	require.Equal(t, own(a), shell(t, use(a)+"; "+use(a)+show, projects...), "twice")
	said := shell(t, use(a)+"; "+use(b)+show, projects...)
	require.Contains(t, said, own(b))
	require.Contains(t, said, "this shell has the environment of "+a.project+": it is left aside here")
	said = shell(t, use(a)+"; "+use(a)+"; "+use(b)+"; "+use(b)+show, projects...)
	require.Contains(t, said, own(b), "also after both were used twice")

	users := slices.Concat(projects, []string{"PULUMI_BACKEND_URL=s3://ours", "PULUMI_CONFIG_PASSPHRASE=secret"})
	for _, script := range []string{use(a), use(a) + "; " + use(a), use(a) + "; " + use(b)} {
		require.Contains(t, shell(t, script+show, users...), "|s3://ours|none\n", "what the user has set stays")
	}
}

// What a lab sets (its engine, how it builds) is neither another checkout's nor that of the same one in the other mode.
func TestEnvAfterALab(t *testing.T) {
	t.Parallel()
	lab, other := newCheckout(t), newCheckout(t)
	lab.write(".canary/mode", "lab\n")
	lab.write(".canary/bin/lab", "#!/bin/sh\necho \"export DOCKER_HOST='unix:///lab.sock'\"\n")
	lab.write("../bin/go", "#!/bin/sh\n")
	for name, tc := range map[string]struct{ then, want string }{
		"another checkout": {
			`; eval "$(bash "$OTHER/scripts/env.sh")"`,
			"none|" + other.project + "/.canary/bin:" + lab.bin + ":" + os.Getenv("PATH") + "|" + other.project + "\n",
		},
		"a script of another checkout": {
			`; source "$OTHER/scripts/lib/common.sh"`,
			"none|" + lab.bin + ":" + os.Getenv("PATH") + "|none\n",
		},
		"the other mode": {
			`; echo normal >"$LAB/.canary/mode"; eval "$(bash "$LAB/scripts/env.sh")"`,
			"none|" + strings.Repeat(lab.project+"/.canary/bin:", 3) + lab.bin + ":" + os.Getenv("PATH") + "|" + lab.project + "\n",
		},
	} {
		lab.write(".canary/mode", "lab\n")
		evaluate := `eval "$(bash "$LAB/scripts/env.sh")"`
		said := shell(t, evaluate+"; "+evaluate+`; [ "$DOCKER_HOST" = unix:///lab.sock ]`+tc.then+
			`; echo "${DOCKER_HOST-none}|$PATH|${CANARY_CHECKOUT-none}"; [[ " ${CANARY_ENV-} " != *" DOCKER_HOST "* ]]`,
			"LAB="+lab.project, "OTHER="+other.project, "PATH="+lab.bin+":"+os.Getenv("PATH"))
		require.Contains(t, said, tc.want, name)
	}
}

// A language host whose pulumi was killed is ended when it is this checkout's, and nobody else's.
func TestOrphansAreEnded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var ids []string
	var held []*exec.Cmd
	for range 4 {
		cmd := exec.Command("sleep", "600")
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		ids, held = append(ids, strconv.Itoa(cmd.Process.Pid)), append(held, cmd)
	}
	d.write("../bin/ps", `#!/bin/sh
echo "$ORPHAN 1 $DESK_HOME/bin/pulumi-language-go -root=x"
echo "$AT_WORK 4711 $DESK_HOME/bin/pulumi-language-go -root=x"
echo "$STRANGER 1 /other/.canary/bin/pulumi-language-go -root=x"
echo "$OTHER 1 $DESK_HOME/bin/canary status"
`)
	// The folder's name has spaces, which ps does not quote.
	plain := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.Symlink(d.project, plain))
	cmd := d.command("bash", "-c", `source scripts/lib/common.sh; home=$DESK_HOME; end_orphans`)
	cmd.Env = append(cmd.Env, "DESK_HOME="+plain+"/.canary", "ORPHAN="+ids[0], "AT_WORK="+ids[1], "STRANGER="+ids[2], "OTHER="+ids[3])
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "ending the language host "+ids[0]+", which a killed pulumi left\n", string(out))
	require.Error(t, held[0].Wait(), "it was ended by a signal")
	for _, other := range held[1:] {
		require.NoError(t, other.Process.Signal(syscall.Signal(0)), "it goes on")
	}
}
