//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/traffic"
	"canary/test/e2e/harness"
)

// TestPromote releases podinfo by one command, again and again.
func TestPromote(t *testing.T) {
	p := harness.Shared(t)
	p.RestoreAfter(t)
	t.Cleanup(func() { p.Attempt(t, "cancel", "--yes") }) // what a kill has locked
	app := p.Example(t)
	// Ready by TCP: podinfo's random errors are in the answers to probes, too, and a canary that is not ready is taken back
	// for that.
	p.SetAll(t, "stableImage="+harness.ImagePodinfo, "containerPort=9898", "readinessProtocol=tcp", "drainSeconds=1", "canaryReplicas=0")
	p.Pulumi(t, "config", "set", "--path", "env.PODINFO_UI_MESSAGE", "v1")
	p.Up(t)
	t.Run("judged", func(t *testing.T) { promoteJudged(t, p, app) })
	t.Run("on copies", func(t *testing.T) { promoteOnCopies(t, p, app) })
	t.Run("by status", func(t *testing.T) { promoteByStatus(t, p, app) })
	t.Run("slow", func(t *testing.T) { promoteSlow(t, p, app) })
	t.Run("never ready", func(t *testing.T) { promoteNeverReady(t, p, app) })
	t.Run("ordered", func(t *testing.T) { promoteOrdered(t, p, app) })
	t.Run("aborted", func(t *testing.T) { promoteAborted(t, p, app) })
	t.Run("killed", func(t *testing.T) { promoteKilled(t, p, app) })
}

// rollBack takes back what a promotion left, by the command for it.
func rollBack(t *testing.T, p *harness.Project) {
	t.Helper()
	o := p.AttemptCommand(t, "canary", "rollback", "--stack", p.Stack)
	require.Zero(t, o.Code, o.All)
	t.Log(o.All)
}

// promote runs a promotion of podinfo to its end.
func promote(t *testing.T, p *harness.Project, args ...string) harness.Outcome {
	t.Helper()
	o := p.AttemptCommand(t, "canary", append([]string{"promote", "--stack", p.Stack, "--image", harness.ImagePodinfo, "--max-failures", "0.05"}, args...)...)
	t.Logf("exit code %d after %.1f s\n%s", o.Code, o.Took.Seconds(), o.All)
	return o
}

// promoteJudged releases the next version under load, then one that fails, which is taken back.
func promoteJudged(t *testing.T, p *harness.Project, app harness.App) {
	before, err := os.ReadFile(p.ConfigFile())
	require.NoError(t, err)
	require.Zero(t, promote(t, p, "--dry-run").Code)
	after, err := os.ReadFile(p.ConfigFile())
	require.NoError(t, err)
	require.Equal(t, string(before), string(after), "a dry run changes nothing")

	finish := app.Load(t, 200)
	p.Pulumi(t, "config", "set", "--path", "canaryEnv.PODINFO_UI_MESSAGE", "v2")
	o := promote(t, p, "--steps", "25,100", "--bake", "2s", "--max-slowdown", "0.5")
	tally := finish()
	require.Zero(t, o.Code)
	harness.RequireNoneFailed(t, tally)
	require.Contains(t, environment(t, app), "PODINFO_UI_MESSAGE=v2")
	var settings map[string]struct{ Value string }
	require.NoError(t, json.Unmarshal([]byte(p.Pulumi(t, "config", "--json")), &settings))
	for key, want := range map[string]string{"canaryWeight": "0", "canaryReplicas": "0", "stableImage": harness.ImagePodinfo, "canaryImage": "", "canaryEnv": "{}", "promotion": ""} {
		require.Equal(t, want, settings["canary:"+key].Value, key)
	}
	p.VerifyNoChanges(t)
	app.RequireIngress(t, 0)
	requireReport(t, p, "promoted", `data-label="Step">100 %`)

	// It answers one request in three with 400, 409 or 500; the last of them is a failure.
	finish = app.Load(t, 200)
	p.Pulumi(t, "config", "set", "--path", "canaryEnv.PODINFO_RANDOM_ERROR", "true")
	o = promote(t, p, "--steps", "25,100", "--bake", "1m", "--max-slowdown", "0")
	tally = finish()
	require.Equal(t, 4, o.Code)
	require.Contains(t, o.All, "at 25 % the canary fails more than it may")
	t.Logf("%d requests, %d failed: %v", tally.Requests(), tally.Failed(), tally.Failures())
	require.Positive(t, tally.Failed(), "the canary was sick")
	app.RequireIngress(t, 0)
	require.Contains(t, p.Output(t, "promotion"), "the canary fails more than it may")
	requireReport(t, p, "taken back", "the canary fails more than it may", `<span class="bad">failed</span>`)

	rollBack(t, p)

	p.Pulumi(t, "config", "rm", "canaryEnv")
	require.NotContains(t, p.Pulumi(t, "stack", "output", "--json"), "promotion")
}

// promoteSick releases podinfo with some of its variables PODINFO_RANDOM_* under load, and takes away what is left of that.
func promoteSick(t *testing.T, p *harness.Project, app harness.App, variables map[string]string, args ...string) (harness.Outcome, *traffic.Tally) {
	t.Helper()
	for name, value := range variables {
		p.Pulumi(t, "config", "set", "--path", "canaryEnv.PODINFO_RANDOM_"+name, value)
	}
	finish := app.Load(t, 200)
	o := promote(t, p, append(args, "--bake", "1m")...)
	tally := finish()
	rollBack(t, p)
	p.Pulumi(t, "config", "rm", "canaryEnv")
	return o, tally
}

// What makes podinfo answer one request in three with 400, 409 or 500, and what makes it answer late.
var (
	podinfoFails = map[string]string{"ERROR": "true"}
	podinfoSlow  = map[string]string{"DELAY": "true", "DELAY_MIN": "600", "DELAY_MAX": "610", "DELAY_UNIT": "ms"}
)

// promoteOnCopies releases a version that fails, and one that is late, to copies of the requests: it is taken back, and no
// client had an answer of it.
func promoteOnCopies(t *testing.T, p *harness.Project, app harness.App) {
	p.SetAll(t, "mirrorPercent=100")
	defer func() { p.Pulumi(t, "config", "rm", "mirrorPercent"); p.Up(t) }()
	sick := func(t *testing.T, want string, variables map[string]string, args ...string) {
		t.Helper()
		o, tally := promoteSick(t, p, app, variables, append(args, "--steps", "0,25,100", "--slow-after", "500ms")...)
		require.Equal(t, 4, o.Code)
		require.Contains(t, o.All, "on copies of the requests the canary "+want+" than it may")
		require.NotContains(t, o.All, "\n25 % of the requests go to the canary\n")
		harness.RequireNoneFailed(t, tally)
		app.RequireIngress(t, 0)
	}
	t.Run("fails", func(t *testing.T) { sick(t, "fails more", podinfoFails) })
	t.Run("fails by status", func(t *testing.T) {
		harness.Long(t)
		sick(t, "fails more", podinfoFails, "--failures", "409")
	})
	t.Run("slow", func(t *testing.T) {
		harness.Long(t)
		sick(t, "is slow more often", podinfoSlow)
	})
}

// promoteByStatus releases a version that fails: by status, another of its answers is the failure, and 500 is none.
func promoteByStatus(t *testing.T, p *harness.Project, app harness.App) {
	harness.Long(t)
	o, _ := promoteSick(t, p, app, podinfoFails, "--steps", "25,100", "--max-slowdown", "0", "--failures", "409")
	require.Equal(t, 4, o.Code)
	require.Contains(t, o.All, "failures are answers with the status 409")
	require.Contains(t, o.All, "at 25 % the canary fails more than it may")
}

// promoteSlow releases a version that answers as it should, and late: it is taken back.
func promoteSlow(t *testing.T, p *harness.Project, app harness.App) {
	harness.Long(t)
	o, tally := promoteSick(t, p, app, podinfoSlow, "--steps", "25,100", "--slow-after", "500ms")
	require.Equal(t, 4, o.Code)
	require.Contains(t, o.All, "at 25 % the canary is slow more often than it may")
	require.Zero(t, tally.Failed(), "%v", tally.Failures())
}

// promoteNeverReady releases a version that ends at once, and an image that no registry gives: the first has failed, and the
// second may come.
func promoteNeverReady(t *testing.T, p *harness.Project, app harness.App) {
	harness.Long(t)
	require.NoError(t, os.WriteFile(filepath.Join(p.Dir, "canary.yaml"), []byte(`{spec: {containers: [{name: app, command: [./podinfo, --no-such-flag]}]}}`), 0o600))
	p.SetAll(t, "canaryPod=canary.yaml")
	o := promote(t, p, "--steps", "25,100")
	require.Equal(t, 4, o.Code)
	require.Contains(t, o.All, "the canary failed before it got any request: subset canary: 0 of 1 pods ready: pod ")
	require.NotContains(t, o.All, "--resume")
	require.JSONEq(t, `{"stable":100,"canary":0}`, p.Output(t, "split"))
	app.RequireIngress(t, 0)
	requireReport(t, p, "taken back", "the canary failed before it got any request")
	rollBack(t, p) // of a canary that still does not get ready
	p.Pulumi(t, "config", "rm", "canaryPod")

	o = p.AttemptCommand(t, "canary", "promote", "--stack", p.Stack, "--image", "localhost:1/nobody:1", "--steps", "25,100") // the next one begins
	t.Logf("exit code %d after %.1f s\n%s", o.Code, o.Took.Seconds(), o.All)
	require.Equal(t, 5, o.Code)
	require.Contains(t, o.All, "the update failed: ")
	require.Contains(t, o.All, "--resume")
	app.RequireIngress(t, 0)

	p.Pulumi(t, "config", "rm", "canaryImage")
	p.SetAll(t, "canaryReplicas=0")
	rollBack(t, p)
}

// stages is how the lines begin by which a promotion of promoteKilled and promoteAborted says what it begins.
var stages = []string{"the canary gets", "50 % of", "100 % of", "stable takes over", "all requests go"}

// quickPromotion are the arguments of a promotion in two steps of a second.
func quickPromotion(p *harness.Project) []string {
	return []string{"promote", "--stack", p.Stack, "--image", harness.ImagePodinfo, "--steps", "50,100", "--bake", "1s", "--max-failures", "0.05", "--max-slowdown", "0.5"}
}

// promoteAborted aborts a promotion from elsewhere, in each of its stages. No request is lost.
func promoteAborted(t *testing.T, p *harness.Project, app harness.App) {
	harness.Long(t)
	for _, stage := range stages {
		t.Run(stage, func(t *testing.T) {
			finish := app.Load(t, 100)
			begun := begin(t, p, stage, quickPromotion(p))
			o := p.AttemptCommand(t, "canary", "promote", "--stack", p.Stack, "--abort")
			t.Logf("exit code %d after %.1f s\n%s", o.Code, o.Took.Seconds(), o.All)
			err := begun.Wait()
			tally := finish()
			harness.RequireNoneFailed(t, tally)
			if err == nil { // in the last stage the promotion may have been done
				require.Equal(t, stages[len(stages)-1], stage)
			} else {
				require.ErrorContains(t, err, "exit status 4")
				require.Zero(t, o.Code)
				require.Contains(t, p.Output(t, "promotion"), "aborted by")
			}
			require.JSONEq(t, `{"stable":100,"canary":0}`, p.Output(t, "split"))
			rollBack(t, p)
			p.VerifyNoChanges(t)
		})
	}
}

// begin runs a promotion until it says that a stage begins. What it says after that is read, and not kept.
func begin(t *testing.T, p *harness.Project, stage string, args []string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("canary", args...)
	cmd.Dir, cmd.Env = p.Dir, p.Env
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	var said strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), stage) {
			break
		}
	}
	t.Logf("begun:\n%s", said.String())
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return cmd
}

// requireReport fails the test unless the report of the last promotion has some parts.
func requireReport(t *testing.T, p *harness.Project, parts ...string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.html")
	require.Zero(t, p.AttemptCommand(t, "canary", "report", "--stack", p.Stack, "--output", path).Code)
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, part := range parts {
		require.Contains(t, string(page), part)
	}
}

// promoteKilled kills a promotion and the update that it runs, in each of its stages (one in a short run), and goes on with
// it. A second promotion is told of the first. No request is lost.
func promoteKilled(t *testing.T, p *harness.Project, app harness.App) {
	finish := app.Load(t, 100)
	args := quickPromotion(p)
	killed := stages
	if testing.Short() {
		killed = []string{"stable takes over"}
	}
	for _, stage := range killed {
		killAt(t, p, stage, args)
		args = []string{"promote", "--stack", p.Stack, "--resume"}

		second := p.AttemptCommand(t, "canary", "promote", "--stack", p.Stack, "--image", "other:2")
		if second.Code != 0 && !strings.Contains(second.All, "canaryWeight is") {
			t.Log(second.All)
			require.Contains(t, second.All, "has promoted "+harness.ImagePodinfo)
		}
	}
	o := p.AttemptCommand(t, "canary", args...)
	t.Logf("exit code %d after %.1f s\n%s", o.Code, o.Took.Seconds(), o.All)
	if o.Code != 0 {
		require.Contains(t, o.All, "no promotion was interrupted", "it may have been done")
	}
	tally := finish()
	harness.RequireNoneFailed(t, tally)
	require.JSONEq(t, `{"stable":100,"canary":0}`, p.Output(t, "split"))
	p.VerifyNoChanges(t)
}

// killAt runs a promotion and kills it, with the update that it runs, soon after a stage has begun.
func killAt(t *testing.T, p *harness.Project, stage string, args []string) {
	t.Helper()
	cmd := begin(t, p, stage, args)
	harness.Eventually(t, time.Minute, func(context.Context) error {
		for _, process := range harness.Descendants(cmd.Process.Pid) {
			if strings.Contains(harness.Arguments(process), " up ") {
				time.Sleep(rand.N(2 * time.Second)) // any moment of it
				require.NoError(t, cmd.Process.Kill())
				_ = syscall.Kill(-process, syscall.SIGKILL)
				return nil
			}
		}
		return errors.New("no update runs")
	})
	_ = cmd.Wait()
}

// promoteOrdered lets a promotion ask a gate and wait for a person, and pauses and aborts it from elsewhere. No
// request is lost.
func promoteOrdered(t *testing.T, p *harness.Project, app harness.App) {
	harness.Long(t)
	notices := make(chan map[string]any, 100)
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hidden-gate":
			if asked.Add(1) == 1 {
				http.Error(w, "change freeze", http.StatusForbidden)
			}
		case "/hidden-webhook":
			var notice map[string]any
			if err := json.NewDecoder(r.Body).Decode(&notice); err != nil {
				t.Errorf("webhook: %v", err)
			}
			notices <- notice
		}
	}))
	t.Cleanup(server.Close)
	finish := app.Load(t, 100)

	cmd := exec.Command("canary", "promote", "--stack", p.Stack, "--image", harness.ImagePodinfo, "--steps", "25,50,100", "--bake", "1s", "--max-failures", "0.05", "--max-slowdown", "0.5",
		"--manual", "--webhook", server.URL+"/hidden-webhook", "--gate-url", server.URL+"/hidden-gate")
	cmd.Dir, cmd.Env = p.Dir, p.Env
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	told := func(what, weight, reason string) {
		t.Helper()
		for {
			select {
			case notice := <-notices:
				t.Log(notice["text"])
				if notice["what"] == what && notice["weight"] == weight && strings.Contains(fmt.Sprint(notice["reason"]), reason) {
					return
				}
			case err := <-ended:
				t.Fatalf("ended before it was %s at %s %%: %v\n%s", what, weight, err, out.String())
			case <-time.After(2 * time.Minute):
				t.Fatalf("not told that it %s at %s %%", what, weight)
			}
		}
	}
	order := func(flag string) {
		t.Helper()
		o := p.AttemptCommand(t, "canary", "promote", "--stack", p.Stack, flag)
		t.Logf("%s: exit code %d after %.1f s\n%s", flag, o.Code, o.Took.Seconds(), o.All)
		require.Zero(t, o.Code)
	}
	told("waits", "0", "for a person")
	order("--continue")
	told("waits", "0", "403 Forbidden: change freeze")
	told("passed", "25", "")
	told("waits", "25", "for a person")
	order("--pause")
	p.VerifyNoChanges(t)
	order("--continue")
	told("passed", "50", "")
	told("waits", "50", "for a person")
	order("--abort")

	err := <-ended
	tally := finish()
	t.Log(out.String())
	require.ErrorContains(t, err, "exit status 4")
	require.Contains(t, out.String(), "aborted by")
	require.NotContains(t, out.String(), "hidden")
	require.NotContains(t, p.Pulumi(t, "stack", "history", "--json", "--show-secrets"), "hidden")
	harness.RequireNoneFailed(t, tally)
	require.JSONEq(t, `{"stable":100,"canary":0}`, p.Output(t, "split"))
	require.Contains(t, p.Output(t, "promotion"), "aborted by")
	o := p.AttemptCommand(t, "canary", "status", "--stack", p.Stack)
	require.Zero(t, o.Code, o.All)
	rollBack(t, p)
}
