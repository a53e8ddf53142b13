//go:build e2e

package harness

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

// leftBehind is what the run as a whole has to undo.
var leftBehind []func() error

// leaveBehind notes something that lives as long as the run; the last noted is undone first.
func leaveBehind(undo func() error) { leftBehind = append(leftBehind, undo) }

// CleanUp removes what the run as a whole shares, after the last test.
func CleanUp() error {
	var errs []error
	for i := len(leftBehind) - 1; i >= 0; i-- {
		errs = append(errs, leftBehind[i]())
	}
	return errors.Join(errs...)
}

var sharedProject struct {
	tried bool
	*Project
}

// Shared is a stack that is up, made for the first test that asks and destroyed after the last one: one agent, a
// metrics-server, the example app at 100/0, retries off, every test image in its nodes. A test that changes its settings calls RestoreAfter first.
func Shared(t *testing.T) *Project {
	t.Helper()
	if !sharedProject.tried {
		sharedProject.tried = true
		images := buildImages(t)
		p := NewProject(t, "agents=1", "metricsServer=true", "importImages="+strings.Join(images, ","))
		p.WithoutRetries(t)
		leaveBehind(p.destroyForGood)
		// The whole first bring-up is watched for secrets, see TestSecretsStayHidden.
		watch := WatchArguments()
		out := p.Attempt(t, UpArgs...)
		BringUp = RecordOfBringUp{Log: out.All, Arguments: watch.End()}
		require.Zero(t, out.Code, out.All)
		t.Logf("%s: the shared stack is up after %.1f s", p.Stack, out.Took.Seconds())
		base, err := os.ReadFile(p.ConfigFile())
		require.NoError(t, err)
		p.base = base
		sharedProject.Project = p
	}
	if sharedProject.Project == nil {
		t.Fatal("the shared stack did not come up: see the test that tried")
	}
	return sharedProject.Project
}

// destroyForGood is destroy outside of a test.
func (p *Project) destroyForGood() error {
	start := time.Now()
	out, stderr, err := Try(p.Dir, p.Env, "pulumi", append(DestroyArgs, "--stack", p.Stack)...)
	if err != nil {
		return fmt.Errorf("destroy %s: %w\n%s%s", p.Stack, err, out, stderr)
	}
	fmt.Printf("e2e: the shared stack is destroyed, %.1f s\n", time.Since(start).Seconds())
	return p.nothingLeft()
}

// RestoreAfter brings the shared stack back to the settings that it was made with, when the test is over. It does so in
// two steps, as the program wants it: the pods of a subset that serves requests do not change while it loses them.
func (p *Project) RestoreAfter(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		var split struct{ Canary float64 }
		require.NoError(t, json.Unmarshal([]byte(p.Output(t, "split")), &split))
		if split.Canary > 0 {
			p.Set(t, "canaryWeight", "0")
			p.Attempt(t, UpArgs...) // fails after it moved the split when the canary is sick
		}
		require.NoError(t, os.WriteFile(p.ConfigFile(), p.base, 0o644))
		p.Up(t)
	})
}

// VerifyNothingLeft looks for anything of the cluster in the engine, for copies of its kubeconfig in the folder for
// temporary files, and at the user's kubeconfig.
func (p *Project) VerifyNothingLeft(t *testing.T) {
	t.Helper()
	require.NoError(t, p.nothingLeft())
}

func (p *Project) nothingLeft() error {
	var errs []error
	for _, args := range [][]string{
		{"ps", "--all", "--format", "{{.Names}}"},
		{"volume", "ls", "--format", "{{.Name}}"},
		{"network", "ls", "--format", "{{.Name}}"},
		{"volume", "ls", "--quiet", "--filter", "label=k3d.cluster=" + p.Cluster},
	} {
		out, stderr, err := Try(p.Dir, p.Env, "docker", args...)
		if err != nil {
			errs = append(errs, fmt.Errorf("docker %v: %w: %s", args, err, stderr))
		}
		for line := range strings.Lines(out) {
			// Of a filter by label every line counts.
			if args[1] == "ls" && args[2] == "--quiet" || strings.Contains(line+"-", p.Cluster+"-") {
				errs = append(errs, fmt.Errorf("left of %s (docker %s): %s", p.Cluster, args[0], strings.TrimSpace(line)))
			}
		}
	}
	copies, err := filepath.Glob(filepath.Join(p.Tmp(), "kubeconfig*"))
	errs = append(errs, err)
	for _, file := range copies {
		b, err := os.ReadFile(file)
		errs = append(errs, err)
		if strings.Contains(string(b), "name: k3d-"+p.Cluster+"\n") {
			errs = append(errs, fmt.Errorf("left of %s: the kubeconfig in %s", p.Cluster, file))
		}
	}
	b, err := os.ReadFile(p.userKubeconfig())
	errs = append(errs, err)
	if string(b) != userKubeconfig {
		errs = append(errs, fmt.Errorf("the user's kubeconfig changed: %q", b))
	}
	return errors.Join(errs...)
}

// RemoveLeftovers removes clusters and images of earlier runs whose process is gone.
func RemoveLeftovers() error {
	out, stderr, err := Try(".", nil, "k3d", "cluster", "list", "--output", "json")
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
		if _, stderr, err := Try(".", env, "k3d", "cluster", "delete", c.Name); err != nil {
			return fmt.Errorf("k3d cluster delete %s: %w: %s", c.Name, err, stderr)
		}
	}
	return nil
}
