package canary

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// Kubernetes' own policy judges the pods, at the level restricted.
func TestExampleAppIsRestricted(t *testing.T) {
	t.Parallel()
	for _, port := range []string{"8080", "80"} {
		r := preview(t, map[string]string{"containerPort": port})
		for _, name := range []string{"app-stable", "app-canary"} {
			t.Run(name+" on port "+port, func(t *testing.T) {
				t.Parallel()
				require.Empty(t, violations(t, podTemplateOf(t, r, name)))
			})
		}
	}
}

// Without any one of its protections a pod is refused: the test above can fail.
func TestRestrictedNeedsEachProtection(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	container := func(pod object) object { return pod["containers"].([]any)[0].(object) }
	for name, tc := range map[string]struct {
		weaken func(pod object)
		want   string
	}{
		"any user":             {func(pod object) { delete(pod["securityContext"].(object), "runAsNonRoot") }, "runAsNonRoot != true"},
		"root":                 {func(pod object) { pod["securityContext"].(object)["runAsUser"] = 0 }, "runAsUser=0"},
		"any system call":      {func(pod object) { delete(pod["securityContext"].(object), "seccompProfile") }, "seccompProfile"},
		"capabilities":         {func(pod object) { delete(container(pod)["securityContext"].(object), "capabilities") }, "unrestricted capabilities"},
		"privilege escalation": {func(pod object) { delete(container(pod)["securityContext"].(object), "allowPrivilegeEscalation") }, "allowPrivilegeEscalation != false"},
		"the node's files": {func(pod object) {
			pod["volumes"] = append(pod["volumes"].([]any), object{"name": "node", "hostPath": object{"path": "/"}})
		}, "hostPath"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			template := podTemplateOf(t, preview(t, nil), "app-stable")
			tc.weaken(template["spec"].(object))
			require.Contains(t, violations(t, template), tc.want)
		})
	}
}

// A user's image may need more than restricted allows, so it is left as it is;
// but no pod gets credentials for the API server.
func TestNoServiceAccountToken(t *testing.T) {
	t.Parallel()
	for _, options := range []map[string]string{nil, {"stableImage": "shop:1"}} {
		r := preview(t, options)
		for _, name := range []string{"app-stable", "app-canary"} {
			require.Equal(t, false, podTemplateOf(t, r, name)["spec"].(map[string]any)["automountServiceAccountToken"])
		}
	}
}

// violations are what the level restricted has against a pod, or "".
func violations(t *testing.T, template map[string]any) string {
	t.Helper()
	text, err := json.Marshal(template)
	require.NoError(t, err)
	var pod corev1.PodTemplateSpec
	require.NoError(t, json.Unmarshal(text, &pod))

	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	require.NoError(t, err)
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec))
	return result.ForbiddenDetail()
}
