package canary

import (
	"maps"

	sdkmeta "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canary/internal/config"
)

// patchForce makes the provider take back a field that somebody else changed,
// such as a weight by kubectl or the number of pods by kubectl scale. Without it
// the next update would fail with a conflict, at a moment when it may be a roll
// back.
const patchForce = "pulumi.com/patchForce"

// objectMeta is that of an object in the app's namespace, which the stack owns
// whoever else writes to it.
func objectMeta(c *config.Config, name string, labels, annotations map[string]string) metav1.ObjectMeta {
	all := map[string]string{patchForce: "true"}
	maps.Copy(all, annotations)
	return metav1.ObjectMeta{Name: name, Namespace: c.Namespace, Labels: labels, Annotations: all}
}

// metadata is objectMeta as the SDK has it.
func metadata(c *config.Config, name string, labels, annotations map[string]string) sdkmeta.ObjectMetaArgs {
	meta := objectMeta(c, name, labels, annotations)
	return sdkmeta.ObjectMetaArgs{
		Name:        pulumi.String(meta.Name),
		Namespace:   pulumi.String(meta.Namespace),
		Labels:      pulumi.ToStringMap(meta.Labels),
		Annotations: pulumi.ToStringMap(meta.Annotations),
	}
}
