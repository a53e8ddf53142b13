//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canary/internal/kube"
)

// TestExistingCluster brings up two more stacks on the cluster of the shared one, with the Istio that is there: each has
// a split of its own, and one goes without a trace on the others.
func TestExistingCluster(t *testing.T) {
	p := shared(t)
	owner := p.example(t)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(file, []byte(p.kubeconfig(t)), 0o600))

	second := p.guest(t, "second", "kubeconfig="+file)
	third := p.guest(t, "third", "name=third-app", "canaryWeight=30")
	third.setSecret(t, "kubeconfig", p.kubeconfig(t))
	apps := []app{
		owner,
		{name: "second", namespace: "second", host: "second.second.localhost", port: p.port, client: owner.client},
		{name: "third-app", namespace: "third", host: "third-app.third.localhost", port: p.port, client: owner.client},
	}

	for _, guest := range []*project{second, third} {
		guest.upWithoutDocker(t)
		t.Logf("%s: url %s, split %s", guest.stack, guest.output(t, "url"), guest.output(t, "split"))
	}
	for i, canary := range []int{0, 0, 30} {
		apps[i].requireSplit(t, canary)
	}
	second.set(t, "canaryWeight", "50")
	second.upWithoutDocker(t)
	apps[1].requireSplit(t, 50)
	apps[0].requireIngress(t, 0)
	apps[2].requireIngress(t, 30)
	second.verifyNoChanges(t)
	require.Empty(t, secretsIn(t, p.kubeconfig(t)).inFiles(t, p.dir, readableByOthers))

	others := func() map[string]map[string]string {
		found := map[string]map[string]string{}
		for _, namespace := range []string{"app-example", "third", "istio-system"} {
			found[namespace] = versions(t, owner.client, namespace)
		}
		return found
	}
	before := others()
	second.destroy(t)
	require.Equal(t, before, others())
	t.Logf("before and after the destroy of second: third %v", before["third"])
	requireGone(t, owner.client, "second")
	apps[0].requireSplit(t, 0)
	apps[2].requireSplit(t, 30)

	third.destroy(t)
	require.Empty(t, secretsIn(t, p.kubeconfig(t)).inFiles(t, p.tmp(), everything))
	requireGone(t, owner.client, "third")
	require.Equal(t, before["app-example"], versions(t, owner.client, "app-example"))
}

// guest is a stack on the cluster of p that has the namespace to itself; it is destroyed when the test is over.
func (p *project) guest(t *testing.T, namespace string, settings ...string) *project {
	t.Helper()
	guest := newStack(t, p.port, append([]string{
		"clusterProvider=existing", "istioInstall=false", "name=" + namespace, "namespace=" + namespace,
		"drainSeconds=1", // destroy waits for the pods
	}, settings...)...)
	t.Cleanup(func() { guest.destroy(t) })
	return guest
}

// setSecret sets a setting that is kept encrypted, and passes it by standard input as a user should.
func (p *project) setSecret(t *testing.T, key, value string) {
	t.Helper()
	cmd := exec.Command("pulumi", "config", "set", "--secret", key, "--stack", p.stack)
	cmd.Dir, cmd.Env, cmd.Stdin = p.dir, p.env, strings.NewReader(value)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

// upWithoutDocker brings the stack up where no Docker engine answers.
func (p *project) upWithoutDocker(t *testing.T) {
	t.Helper()
	start := time.Now()
	run(t, p.dir, append(p.env, "DOCKER_HOST=unix:///there-is-no-engine"), "pulumi", append(upArgs, "--stack", p.stack)...)
	t.Logf("%s: up took %.1f s", p.stack, time.Since(start).Seconds())
}

func requireGone(t *testing.T, c *kube.Client, namespace string) {
	t.Helper()
	_, err := objects(c, namespaces, "").Get(t.Context(), namespace, metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}
