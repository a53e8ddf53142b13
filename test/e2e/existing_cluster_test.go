//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/test/e2e/harness"
)

// TestExistingCluster brings up two more stacks on the cluster of the shared one, with the Istio that is there: each has
// a split of its own, and one goes without a trace on the others.
func TestExistingCluster(t *testing.T) {
	harness.Long(t)
	p := harness.Shared(t)
	owner := p.Example(t)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(file, []byte(p.Kubeconfig(t)), 0o600))

	second := p.Guest(t, "second", "kubeconfig="+file)
	const noRecord = "third.shop.invalid" // RFC 2606: it never has a DNS record
	third := p.Guest(t, "third", "name=third-app", "canaryWeight=30", "host="+noRecord)
	third.SetSecret(t, "kubeconfig", p.Kubeconfig(t))
	apps := []harness.App{
		owner,
		{Name: "second", Namespace: "second", Host: "second.second.localhost", Port: p.Port, Client: owner.Client},
		{Name: "third-app", Namespace: "third", Host: noRecord, Port: p.Port, Client: owner.Client},
	}

	for _, guest := range []*harness.Project{second, third} {
		guest.UpWithoutDocker(t)
		t.Logf("%s: url %s, split %s", guest.Stack, guest.Output(t, "url"), guest.Output(t, "split"))
	}
	for i, canary := range []int{0, 0, 30} {
		apps[i].RequireSplit(t, canary)
	}
	asked := third.AttemptCommand(t, "canary", "requests", "--stack", third.Stack)
	require.Zero(t, asked.Code, asked.All)
	require.Contains(t, asked.All, noRecord+" has no DNS record: the requests go to the ingress gateway by port-forward")

	second.Set(t, "canaryWeight", "50")
	second.UpWithoutDocker(t)
	apps[1].RequireSplit(t, 50)
	apps[0].RequireIngress(t, 0)
	apps[2].RequireIngress(t, 30)
	second.VerifyNoChanges(t)
	require.Empty(t, harness.SecretsIn(t, p.Kubeconfig(t)).InFiles(t, p.Dir, harness.ReadableByOthers))

	others := func() map[string]map[string]string {
		found := map[string]map[string]string{}
		for _, namespace := range []string{"app-example", "third", "istio-system"} {
			found[namespace] = harness.Versions(t, owner.Client, namespace)
		}
		return found
	}
	before := others()
	second.Destroy(t)
	require.Equal(t, before, others())
	t.Logf("before and after the destroy of second: third %v", before["third"])
	harness.RequireGone(t, owner.Client, "second")
	apps[0].RequireSplit(t, 0)
	apps[2].RequireSplit(t, 30)

	third.Destroy(t)
	require.Empty(t, harness.SecretsIn(t, p.Kubeconfig(t)).InFiles(t, p.Tmp(), harness.Everything))
	harness.RequireGone(t, owner.Client, "third")
	require.Equal(t, before["app-example"], harness.Versions(t, owner.Client, "app-example"))
}
