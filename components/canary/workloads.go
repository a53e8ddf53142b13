package canary

import (
	"encoding/base64"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/internal/config"
	"canary/internal/mesh"
	"canary/internal/release"
)

const (
	portName    = "http"
	servicePort = 80
)

// namespaceArgs is the app's namespace, where Istio gives every pod a sidecar.
func namespaceArgs(c *config.Config) *corev1.NamespaceArgs {
	return &corev1.NamespaceArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name:        pulumi.String(c.Namespace),
			Annotations: pulumi.StringMap{patchForce: pulumi.String("true")},
			Labels:      pulumi.ToStringMap(injectionLabels(c)),
		},
	}
}

// injectionLabels make Istio give every pod of a namespace a sidecar.
func injectionLabels(c *config.Config) map[string]string {
	if c.Istio.Revision != "" {
		return map[string]string{mesh.LabelRevision: c.Istio.Revision}
	}
	return map[string]string{mesh.LabelInjection: "enabled"}
}

// configMapArgs holds the configuration of the example app in one subset.
func configMapArgs(c *config.Config, s subset) *corev1.ConfigMapArgs {
	return &corev1.ConfigMapArgs{
		Metadata: metadata(c, s.object, s.labels(), nil),
		Data:     pulumi.StringMap{nginxConfigKey: pulumi.String(nginxConfig(s.name, c.ContainerPort))},
	}
}

// secretArgs holds the environment variables of one subset that are secret.
func secretArgs(c *config.Config, s subset) *corev1.SecretArgs {
	data := map[string]string{}
	for name, value := range s.secretEnv() {
		data[name] = base64.StdEncoding.EncodeToString([]byte(value))
	}
	return &corev1.SecretArgs{
		Metadata: metadata(c, s.secretName(), s.labels(), nil),
		Data:     pulumi.ToSecret(pulumi.ToStringMap(data)).(pulumi.StringMapOutput),
	}
}

// tlsSecretName is the name of the Secret with the hosts' certificate. Other apps have
// theirs in the same namespace.
func tlsSecretName(c *config.Config) string { return c.Namespace + "-" + c.Name + "-tls" }

// tlsSecretArgs holds the hosts' certificate and its key, where the gateway's pods look
// for it. Both are written at once, so no proxy ever sees a pair that does not fit.
func tlsSecretArgs(c *config.Config) *corev1.SecretArgs {
	meta := metadata(c, tlsSecretName(c), map[string]string{release.LabelName: c.Name}, nil)
	meta.Namespace = pulumi.String(c.Istio.Namespace)
	data := pulumi.ToStringMap(map[string]string{
		"tls.crt": base64.StdEncoding.EncodeToString([]byte(c.TLS.Certificate)),
		"tls.key": base64.StdEncoding.EncodeToString([]byte(c.TLS.Key)),
	})
	return &corev1.SecretArgs{
		Metadata: meta,
		Type:     pulumi.String("kubernetes.io/tls"),
		Data:     pulumi.ToSecret(data).(pulumi.StringMapOutput),
	}
}

// serviceArgs is the one Service of both subsets. Only the VirtualService tells
// them apart.
func serviceArgs(c *config.Config) *corev1.ServiceArgs {
	labels := map[string]string{release.LabelName: c.Name}
	return &corev1.ServiceArgs{
		Metadata: metadata(c, c.Name, labels, map[string]string{skipAwait: "true"}),
		Spec: corev1.ServiceSpecArgs{
			Selector: pulumi.ToStringMap(labels),
			Ports: corev1.ServicePortArray{corev1.ServicePortArgs{
				Name:        pulumi.String(portName),
				AppProtocol: pulumi.String(c.Protocol),
				Port:        pulumi.Int(servicePort),
				TargetPort:  pulumi.String(portName),
			}},
		},
	}
}
