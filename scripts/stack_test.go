package scripts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// desk is a project folder for the scripts that make runs on a stack, with a pulumi and a k3d that only note their calls.
type desk struct {
	t       *testing.T
	project string
	bin     string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("bash is not installed")
	}
	root := t.TempDir()
	d := &desk{t: t, project: filepath.Join(root, `my "project" $(touch pwned)`), bin: filepath.Join(root, "bin")}
	require.NoError(t, os.MkdirAll(filepath.Join(d.project, "scripts", "lib"), 0o755))
	require.NoError(t, os.MkdirAll(d.bin, 0o755))
	d.copy("select-stack.sh", "recover-cluster.sh", "lib/common.sh")
	d.write("exported.json", "{}")
	tool := `#!/bin/sh
echo "$(basename "$0") $*" >>"$DESK/calls"
case $1 in
  hold) echo held; read -r line ;;
  stack) [ "$2" != export ] || cat "$DESK/exported.json" ;;
  cluster) exit "${K3D_CODE:-0}" ;;
esac
`
	for _, name := range []string{"pulumi", "k3d"} {
		require.NoError(t, os.WriteFile(filepath.Join(d.bin, name), []byte(tool), 0o755))
	}
	return d
}

// copy copies scripts of the project.
func (d *desk) copy(scripts ...string) {
	d.t.Helper()
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		require.NoError(d.t, err)
		d.write("scripts/"+script, string(text))
	}
}

func (d *desk) write(name, text string) {
	d.t.Helper()
	file := filepath.Join(d.project, name)
	require.NoError(d.t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(d.t, os.WriteFile(file, []byte(text), 0o755))
}

func (d *desk) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = d.project
	cmd.Env = append(os.Environ(), "PATH="+d.bin+":"+os.Getenv("PATH"), "DESK="+d.project, "PULUMI_BACKEND_URL=", "CANARY_CHECKOUT=")
	return cmd
}

// run runs a script on the stack dev, with more environment, and gives what it said and the calls of the tools.
func (d *desk) run(script string, env ...string) (said string, calls []string) {
	d.t.Helper()
	return d.ends(0, script, env...)
}

// ends is run for a script that has to end with an exit code.
func (d *desk) ends(code int, script string, env ...string) (said string, calls []string) {
	d.t.Helper()
	cmd := d.command("bash", "scripts/"+script, "dev")
	cmd.Env = append(cmd.Env, env...)
	out, _ := cmd.CombinedOutput()
	require.Equal(d.t, code, cmd.ProcessState.ExitCode(), string(out))
	text, err := os.ReadFile(filepath.Join(d.project, "calls"))
	require.NoError(d.t, err)
	require.NoFileExists(d.t, filepath.Join(d.project, "pwned"))
	return string(out), strings.Split(strings.TrimSpace(string(text)), "\n")
}

// lock puts a lock on the stack dev into a folder of state.
func (d *desk) lock(folder, name, host string, pid int) {
	d.t.Helper()
	d.write(filepath.Join(folder, ".pulumi/locks/organization/canary/dev", name),
		fmt.Sprintf(`{"pid":%d,"username":"me","hostname":%q,"timestamp":"2026-01-02T03:04:05Z"}`, pid, host))
}

// alive is the id of a process that is called pulumi and runs until the test is over.
func (d *desk) alive() int {
	d.t.Helper()
	cmd := d.command(filepath.Join(d.bin, "pulumi"), "hold")
	in, err := cmd.StdinPipe()
	require.NoError(d.t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(d.t, err)
	require.NoError(d.t, cmd.Start())
	d.t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	_, err = out.Read(make([]byte, 1))
	require.NoError(d.t, err)
	return cmd.Process.Pid
}

// dead is the id of a process that has ended.
func (d *desk) dead() int {
	d.t.Helper()
	cmd := exec.Command("true")
	require.NoError(d.t, cmd.Run())
	return cmd.Process.Pid
}

func TestVoidLockIsRemoved(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	require.NoError(t, err)
	const own = ".canary/state"
	for name, tc := range map[string]struct {
		arrange func(d *desk)
		env     []string
		cancels bool
	}{
		"no lock":                {arrange: func(*desk) {}},
		"killed":                 {func(d *desk) { d.lock(own, "a.json", host, d.dead()) }, nil, true},
		"its id went to another": {func(d *desk) { d.lock(own, "a.json", host, os.Getpid()) }, nil, true},
		"still at work":          {func(d *desk) { d.lock(own, "a.json", host, d.alive()) }, nil, false},
		"on another machine":     {func(d *desk) { d.lock(own, "a.json", "other-"+host, d.dead()) }, nil, false},
		"killed, another still at work": {func(d *desk) {
			d.lock(own, "a.json", host, d.dead())
			d.lock(own, "b.json", host, d.alive())
		}, nil, false},
		"state elsewhere": {func(d *desk) { d.lock("elsewhere", "a.json", host, d.dead()) }, []string{"elsewhere"}, true},
		"state elsewhere, without attributes": {
			func(d *desk) { d.lock("elsewhere", "a.json", host, d.dead()) }, []string{"elsewhere?metadata=skip"}, true,
		},
		"no files": {func(d *desk) { d.lock(own, "a.json", host, d.dead()) }, []string{"https://api.pulumi.com"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			tc.arrange(d)
			var env []string
			for _, backend := range tc.env {
				if !strings.Contains(backend, "://") {
					backend = "file://" + filepath.Join(d.project, backend)
				}
				env = append(env, "PULUMI_BACKEND_URL="+backend)
			}
			said, calls := d.run("select-stack.sh", env...)
			require.Contains(t, calls, "pulumi stack select --create --non-interactive dev")
			if tc.cancels {
				require.Contains(t, calls, "pulumi cancel --yes --non-interactive --stack dev")
				require.Contains(t, calls, "pulumi stack import --stack dev", "what was under way is forgotten")
				require.Contains(t, said, "was killed: its lock on the stack is removed")
			} else {
				require.NotContains(t, strings.Join(calls, "\n"), "cancel", said)
			}
		})
	}
}

// An empty file of attributes is what a kill leaves of one that Pulumi had begun to write.
func TestEmptyAttributesAreRemoved(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const state = ".canary/state/.pulumi/stacks/canary/dev.json"
	d.write(state, "{}")
	d.write(state+".attrs", "")
	d.write(state+".bak.attrs", "{}")
	d.run("select-stack.sh")
	require.NoFileExists(t, filepath.Join(d.project, state+".attrs"))
	require.FileExists(t, filepath.Join(d.project, state+".bak.attrs"))
	require.FileExists(t, filepath.Join(d.project, state))
}

func TestRecoverCluster(t *testing.T) {
	t.Parallel()
	const (
		exported = `{
    "deployment": {
        "resources": [
            {
                "inputs": {
                    "environment": {
                        "CLUSTER_NAME": "made-once"
                    }
                },
                "outputs": {"stdout": "0123456789abcdef"}
            },
            {
                "inputs": {
                    "environment": {
                        "CLUSTER_CONFIG": "name: \"CLUSTER_ID\": \"of another\"",
                        "CLUSTER_ENGINE": "AAAA-1 laptop",
                        "CLUSTER_ID": "0123456789abcdef",
                        "CLUSTER_NAME": "made-once",
                        "CLUSTER_AGENTS": "4",
                        "CLUSTER_SERVER": "f00",
                        "IMAGES": "app:1\nother:1"
                    }
                }
            }
        ]
    }
}`
		start    = "k3d cluster start made-once --wait --timeout 300s"
		again    = "cluster-agents.sh AAAA-1 laptop 4"
		imported = "cluster-import-images.sh f00 app:1 other:1"
		destroy  = "pulumi destroy --yes --skip-preview --non-interactive --stack dev"
		engine   = "AAAA-1 laptop"
		unknown  = "nothing was changed. The state does not say which Docker engine it lives on"
	)
	noServer := strings.Replace(exported, `"CLUSTER_SERVER": "f00"`, `"OTHER": ""`, 1)
	before := strings.Replace(exported, `"CLUSTER_ENGINE": "AAAA-1 laptop"`, `"OTHER": ""`, 1)
	for name, tc := range map[string]struct {
		exported, state string
		env             []string
		want            []string // calls after the first one
		code            int
		says            string
	}{
		"nothing made":   {exported: `{"deployment": {}}`, state: "absent", says: "has made no cluster yet"},
		"running":        {state: "running", says: "made-once is running"},
		"stopped":        {state: "stopped running", want: []string{start}, says: "made-once is stopped: starting it"},
		"agents missing": {state: "short", want: []string{again, imported}, says: "made-once lacks agents"},
		"stopped, agents missing": {
			state: "stopped short", want: []string{start, again, imported}, says: "made-once lacks agents",
		},
		"agents missing in a create that was cut short": {
			exported: noServer, state: "short", want: []string{destroy}, says: "made-once lacks nodes",
		},
		"does not start": {state: "stopped", env: []string{"K3D_CODE=1"}, want: []string{start, destroy}, says: "does not start"},
		"gone":           {state: "absent", want: []string{destroy}, says: "made-once is gone"},
		"half-made":      {state: "partial", want: []string{destroy}, says: "made-once lacks nodes"},
		"name taken":     {state: "foreign", want: []string{destroy}, says: "another one has its name"},

		"no engine recorded, running":    {exported: before, state: "running", says: "made-once is running"},
		"no engine recorded, half-made":  {exported: before, state: "partial", want: []string{destroy}, says: "made-once lacks nodes"},
		"no engine recorded, gone":       {exported: before, state: "absent", code: 1, says: unknown},
		"no engine recorded, name taken": {exported: before, state: "foreign", code: 1, says: unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			recorded := engine
			if tc.exported == before {
				recorded = ""
			}
			// A cluster that was started is whole, or what it lacks shows.
			d.write("scripts/cluster-state.sh", `#!/bin/sh
[ "$CLUSTER_NAME $CLUSTER_ID $CLUSTER_ENGINE" = "made-once 0123456789abcdef `+recorded+`" ] || exit 1
set -- `+tc.state+`
[ -z "${2-}" ] || { [ -e asked ] && shift; }
: >asked
echo "$1"
`)
			d.write("scripts/cluster-agents.sh", "#!/bin/sh\necho cluster-agents.sh $CLUSTER_ENGINE $CLUSTER_AGENTS >>calls\n")
			d.write("scripts/cluster-import-images.sh", "#!/bin/sh\necho cluster-import-images.sh $CLUSTER_SERVER $IMAGES >>calls\n")
			if tc.exported == "" {
				tc.exported = exported
			}
			d.write("exported.json", tc.exported)
			said, calls := d.ends(tc.code, "recover-cluster.sh", tc.env...)
			require.Contains(t, said, tc.says)
			require.Equal(t, "pulumi stack export --stack dev", calls[0])
			require.Equal(t, append([]string{}, tc.want...), append([]string{}, calls[1:]...))
		})
	}
}
