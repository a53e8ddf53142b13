//go:build e2e

package harness

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canary/internal/kube"
)

// Guest is a stack on the cluster of p that has the namespace to itself; it is destroyed when the test is over.
func (p *Project) Guest(t *testing.T, namespace string, settings ...string) *Project {
	t.Helper()
	guest := NewStack(t, p.Port, append([]string{
		"clusterProvider=existing", "istioInstall=false", "name=" + namespace, "namespace=" + namespace,
		"drainSeconds=1", // destroy waits for the pods
	}, settings...)...)
	t.Cleanup(func() { guest.Destroy(t) })
	return guest
}

// SetSecret sets a setting that is kept encrypted, and passes it by standard input as a user should.
func (p *Project) SetSecret(t *testing.T, key, value string) {
	t.Helper()
	cmd := exec.Command("pulumi", "config", "set", "--secret", "--path", key, "--stack", p.Stack)
	cmd.Dir, cmd.Env, cmd.Stdin = p.Dir, p.Env, strings.NewReader(value)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

// UpWithoutDocker brings the stack up where no Docker engine answers.
func (p *Project) UpWithoutDocker(t *testing.T) {
	t.Helper()
	start := time.Now()
	Run(t, p.Dir, append(p.Env, "DOCKER_HOST=unix:///there-is-no-engine"), "pulumi", append(UpArgs, "--stack", p.Stack)...)
	t.Logf("%s: up took %.1f s", p.Stack, time.Since(start).Seconds())
}

// RequireGone fails the test unless a namespace is gone.
func RequireGone(t *testing.T, c *kube.Client, namespace string) {
	t.Helper()
	_, err := Objects(c, Namespaces, "").Get(t.Context(), namespace, metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}
