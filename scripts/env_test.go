package scripts

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// newCheckout is a desk where `make up` was run.
func newCheckout(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	d.copy("env.sh")
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
		return home + "/pulumi|file://" + home + "/state?metadata=skip|" + home + "/passphrase\n"
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

// A language host whose pulumi was killed is ended, with its program, when it is this checkout's. One that a living pulumi
// may have is left alone, and so is everything else.
func TestOrphansAreEnded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	host := d.project + "/.canary/bin/pulumi-language-go"
	const gone = " -root=x 127.0.0.1:1"
	processes := []struct {
		name, parent, args string
		ended              bool
	}{
		{"of the first process", "1", host + gone, true},
		{"of a subreaper", "4711", host + gone, true},
		{"a plugin", "1", d.project + "/.canary/pulumi/plugins/language-go-v1/pulumi-language-go" + gone, true},
		{"the program", "$P0", "/tmp/pulumi-go.123", true},
		{"of a living pulumi", "4712", host + gone, false},
		{"somebody answers", "4711", host + " " + listener.Addr().String(), false},
		{"nobody's", "1", host, false},
		{"another checkout's", "1", "/other/.canary/bin/pulumi-language-go" + gone, false},
		{"another program", "1", d.project + "/.canary/bin/canary /pulumi-language-go" + gone, false},
		{"another's program", "4711", "/tmp/pulumi-go.456", false},
	}
	var ps strings.Builder
	ps.WriteString("#!/bin/sh\ncase $* in *' 4711') echo systemd; exit ;; *' 4712') echo pulumi; exit ;; *' 1') echo init; exit ;; esac\n")
	var held []*exec.Cmd
	var environment, says []string
	for i, one := range processes {
		cmd := exec.Command("sleep", "600")
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		held = append(held, cmd)
		environment = append(environment, fmt.Sprintf("P%d=%d", i, cmd.Process.Pid), fmt.Sprintf("ARGS%d=%s", i, one.args))
		fmt.Fprintf(&ps, "echo \"$P%d %s $ARGS%d\"\n", i, one.parent, i)
		if one.ended && one.name != "the program" {
			says = append(says, fmt.Sprintf("ending the language host %d, which a killed pulumi left\n", cmd.Process.Pid))
		}
	}
	d.write("../bin/ps", ps.String())
	cmd := d.command("bash", "-c", "source scripts/lib/common.sh; end_orphans")
	cmd.Env = append(cmd.Env, environment...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, strings.Join(says, ""), string(out))
	for i, one := range processes {
		want := syscall.SIGTERM
		if !one.ended {
			want = syscall.SIGKILL
			require.NoError(t, held[i].Process.Kill(), one.name)
		}
		require.Error(t, held[i].Wait(), one.name)
		require.Equal(t, want, held[i].ProcessState.Sys().(syscall.WaitStatus).Signal(), one.name)
	}
}
