//go:build e2e

package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"canary/test/e2e/harness"
)

// TestWrongConfiguration shows what a user reads who sets something wrong: every problem at once, each with its key, its
// value and what is allowed, before anything is made.
func TestWrongConfiguration(t *testing.T) {
	for _, wrong := range []struct {
		name     string
		settings []string
		says     []string
	}{{
		name: "keys by themselves",
		settings: []string{
			"canaryWeight=101", "name=My_App", "host=localhost", "stableImage=ghcr.io/me/app", "containerPort=0",
			"readinessPath=healthz", "drainSeconds=1.5", "clusterProvider=kind", "canaryWieght=50",
		},
		says: []string{
			`9 problems in the stack's configuration:`,
			`canaryWeight: found "101"; allowed: a percentage from 0 to 100 with at most two decimals, digits only; ` +
				`for example: pulumi config set canaryWeight 12.5`,
			`name: found "My_App"; allowed: a DNS label (a-z, 0-9 and -) that starts with a letter, at most 56 characters; ` +
				`for example: pulumi config set name app-example`,
			`host: found "localhost"; allowed: DNS names in lower case with at least one dot, at most 253 characters each, ` +
				`no wildcard, no IP address, not the Service's own name, each once, separated by commas or spaces; for example: pulumi config set host app-example.localhost`,
			`stableImage: found "ghcr.io/me/app"; allowed: an image reference with a tag or a digest; ` +
				`for example: pulumi config set stableImage ghcr.io/me/app:1.0.0`,
			`containerPort: found "0"; allowed: a whole number from 1 to 65535; for example: pulumi config set containerPort 8080`,
			`readinessPath: found "healthz"; allowed: a URL path that starts with a slash, without spaces and control ` +
				`characters; for example: pulumi config set readinessPath /`,
			`drainSeconds: found "1.5"; allowed: a whole number from 1 to 3600; for example: pulumi config set drainSeconds 20`,
			`clusterProvider: found "kind"; allowed: k3d or existing; for example: pulumi config set clusterProvider k3d`,
			`canaryWieght: no such key; nearest: canaryWeight; run: pulumi config rm canaryWieght`,
		},
	}, {
		name:     "keys that do not go together",
		settings: []string{"canaryWeight=10", "canaryReplicas=0", "istioInstall=false"},
		says: []string{
			`2 problems in the stack's configuration:`,
			`canaryReplicas: found "0" with canaryWeight "10"; allowed: a whole number from 0 to 100, and 0 only with ` +
				`canaryWeight 0; run: pulumi config set canaryReplicas 1`,
			`istioInstall: found "false" with clusterProvider "k3d"; allowed: true or false, and false only with ` +
				`clusterProvider existing; for example: pulumi config set istioInstall true`,
		},
	}, {
		name:     "existing cluster without a kubeconfig",
		settings: []string{"clusterProvider=existing"},
		says: []string{
			`1 problem in the stack's configuration:`,
			`kubeconfig: found nothing with clusterProvider "existing"; allowed: the path or the content of a kubeconfig, ` +
				`only with clusterProvider existing; for example: pulumi config set kubeconfig ~/.kube/config`,
		},
	}, {
		name:     "kubeconfig that is not there",
		settings: []string{"clusterProvider=existing", "kubeconfig=/there/is/none"},
		says: []string{
			`cluster: kubeconfig "/there/is/none": there is no such file: set the path of one: pulumi config set kubeconfig PATH`,
		},
	}} {
		t.Run(wrong.name, func(t *testing.T) {
			p := harness.NewStack(t, 0, wrong.settings...)
			result := p.Attempt(t, "preview", "--non-interactive")
			t.Logf("exit code %d\n%s", result.Code, result.All)
			require.NotZero(t, result.Code)
			for _, line := range wrong.says {
				require.Contains(t, result.All, line)
			}
			require.Empty(t, p.Resources(t), "something was registered")
		})
	}
}
