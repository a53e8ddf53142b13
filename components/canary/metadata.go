package canary

import (
	"maps"

	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/internal/config"
)

// patchForce makes the provider take back a field that somebody else changed,
// such as a weight by kubectl or the number of pods by kubectl scale. Without it
// the next update would fail with a conflict, at a moment when it may be a roll
// back.
const patchForce = "pulumi.com/patchForce"

// metadata is that of an object in the app's namespace, which the stack owns
// whoever else writes to it.
func metadata(c *config.Config, name string, labels, annotations map[string]string) metav1.ObjectMetaArgs {
	all := map[string]string{patchForce: "true"}
	maps.Copy(all, annotations)
	return metav1.ObjectMetaArgs{
		Name:        pulumi.String(name),
		Namespace:   pulumi.String(c.Namespace),
		Labels:      pulumi.ToStringMap(labels),
		Annotations: pulumi.ToStringMap(all),
	}
}
