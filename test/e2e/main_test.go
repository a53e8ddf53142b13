//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain removes what an earlier run that was killed left, runs the tests, and removes what they share.
func TestMain(m *testing.M) {
	start := time.Now()
	err := removeLeftovers()
	code := 1
	if err == nil {
		code = m.Run()
	}
	if err := errors.Join(err, cleanUp()); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	fmt.Printf("e2e: all of it took %.0f s\n", time.Since(start).Seconds())
	os.Exit(code)
}

// leftBehind is what the run as a whole has to undo.
var leftBehind []func() error

// leaveBehind notes something that lives as long as the run; the last noted is undone first.
func leaveBehind(undo func() error) { leftBehind = append(leftBehind, undo) }

func cleanUp() error {
	var errs []error
	for i := len(leftBehind) - 1; i >= 0; i-- {
		errs = append(errs, leftBehind[i]())
	}
	return errors.Join(errs...)
}

var sharedProject struct {
	tried bool
	*project
}

// shared is a stack that is up, made for the first test that asks and destroyed after the last one: one agent, the
// example app at 100/0, every test image in its nodes. A test that changes its settings calls restoreAfter first.
func shared(t *testing.T) *project {
	t.Helper()
	if !sharedProject.tried {
		sharedProject.tried = true
		images := buildImages(t)
		p := newProject(t, "agents=1", "importImages="+strings.Join(images, ","))
		leaveBehind(p.destroyForGood)
		// The whole first bring-up is watched for secrets, see TestSecretsStayHidden.
		watch := watchArguments()
		out := p.attempt(t, upArgs...)
		bringUp = recordOfBringUp{log: out.all, arguments: watch.end()}
		require.Zero(t, out.code, out.all)
		t.Logf("%s: the shared stack is up after %.1f s", p.stack, out.took.Seconds())
		base, err := os.ReadFile(p.configFile())
		require.NoError(t, err)
		p.base = base
		sharedProject.project = p
	}
	if sharedProject.project == nil {
		t.Fatal("the shared stack did not come up: see the test that tried")
	}
	return sharedProject.project
}

// destroyForGood is destroy outside of a test.
func (p *project) destroyForGood() error {
	start := time.Now()
	out, stderr, err := try(p.dir, p.env, "pulumi", append(destroyArgs, "--stack", p.stack)...)
	if err != nil {
		return fmt.Errorf("destroy %s: %w\n%s%s", p.stack, err, out, stderr)
	}
	fmt.Printf("e2e: the shared stack is destroyed, %.1f s\n", time.Since(start).Seconds())
	return p.nothingLeft()
}

// restoreAfter brings the shared stack back to the settings that it was made with, when the test is over. It does so in
// two steps, as the program wants it: the pods of a subset that serves requests do not change while it loses them.
func (p *project) restoreAfter(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		var split struct{ Canary float64 }
		require.NoError(t, json.Unmarshal([]byte(p.output(t, "split")), &split))
		if split.Canary > 0 {
			p.set(t, "canaryWeight", "0")
			p.attempt(t, upArgs...) // fails after it moved the split when the canary is sick
		}
		require.NoError(t, os.WriteFile(p.configFile(), p.base, 0o644))
		p.up(t)
	})
}

// verifyNothingLeft looks for anything of the cluster in the engine, for copies of its kubeconfig in the folder for
// temporary files, and at the user's kubeconfig.
func (p *project) verifyNothingLeft(t *testing.T) {
	t.Helper()
	require.NoError(t, p.nothingLeft())
}

func (p *project) nothingLeft() error {
	var errs []error
	for _, args := range [][]string{
		{"ps", "--all", "--format", "{{.Names}}"},
		{"volume", "ls", "--format", "{{.Name}}"},
		{"network", "ls", "--format", "{{.Name}}"},
		{"volume", "ls", "--quiet", "--filter", "label=k3d.cluster=" + p.cluster},
	} {
		out, stderr, err := try(p.dir, p.env, "docker", args...)
		if err != nil {
			errs = append(errs, fmt.Errorf("docker %v: %w: %s", args, err, stderr))
		}
		for line := range strings.Lines(out) {
			// Of a filter by label every line counts.
			if args[1] == "ls" && args[2] == "--quiet" || strings.Contains(line+"-", p.cluster+"-") {
				errs = append(errs, fmt.Errorf("left of %s (docker %s): %s", p.cluster, args[0], strings.TrimSpace(line)))
			}
		}
	}
	copies, err := filepath.Glob(filepath.Join(p.tmp(), "kubeconfig*"))
	errs = append(errs, err)
	for _, file := range copies {
		if b, err := os.ReadFile(file); err != nil || strings.Contains(string(b), "name: k3d-"+p.cluster+"\n") {
			errs = append(errs, fmt.Errorf("left of %s: the kubeconfig in %s, %v", p.cluster, file, err))
		}
	}
	if b, err := os.ReadFile(p.userKubeconfig()); err != nil || string(b) != userKubeconfig {
		errs = append(errs, fmt.Errorf("the user's kubeconfig changed: %q, %v", b, err))
	}
	return errors.Join(errs...)
}

// removeLeftovers removes clusters and images of earlier runs whose process is gone.
func removeLeftovers() error {
	out, stderr, err := try(".", nil, "k3d", "cluster", "list", "--output", "json")
	if err != nil {
		return fmt.Errorf("k3d cluster list: %w: %s", err, stderr)
	}
	var clusters []struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal([]byte(out), &clusters); err != nil {
		return fmt.Errorf("k3d cluster list: %w", err)
	}
	for _, c := range clusters {
		rest, ours := strings.CutPrefix(c.Name, "canary-e2e-")
		pid, _, _ := strings.Cut(rest, "-")
		if _, err := os.Stat("/proc/" + pid); !ours || !os.IsNotExist(err) {
			continue
		}
		fmt.Println("e2e: removing the cluster of an earlier run:", c.Name)
		// Without this k3d edits the kubeconfig of whoever runs the tests.
		env := append(os.Environ(), "KUBECONFIG="+filepath.Join(os.TempDir(), "canary-e2e-no-kubeconfig"))
		if _, stderr, err := try(".", env, "k3d", "cluster", "delete", c.Name); err != nil {
			return fmt.Errorf("k3d cluster delete %s: %w: %s", c.Name, err, stderr)
		}
	}
	return nil
}
