package canary

import (
	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/internal/config"
	"canary/internal/drain"
	"canary/internal/mesh"
	"canary/internal/release"
)

const (
	containerName = "app"
	portName      = "http"
	servicePort   = 80

	// skipAwait stops the provider from waiting for pods. Its wait would hold up a
	// split that moves away from a sick subset, and it cannot say what a pod waits
	// for; the wait of this package does neither.
	skipAwait = "pulumi.com/skipAwait"

	checksumAnnotation    = "checksum/nginx.conf"
	proxyConfigAnnotation = "proxy.istio.io/config"

	// firstUnprivilegedPort is the lowest port that a process without privileges
	// may listen on by default.
	firstUnprivilegedPort = 1024
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
				AppProtocol: pulumi.String("http"),
				Port:        pulumi.Int(servicePort),
				TargetPort:  pulumi.String(portName),
			}},
		},
	}
}

// deploymentArgs is the Deployment of one subset. An update never goes below the
// wanted number of ready pods, and a pod that ends first serves what reaches it
// for drainSeconds more.
func deploymentArgs(c *config.Config, s subset) *appsv1.DeploymentArgs {
	labels := pulumi.ToStringMap(s.labels())
	podLabels := s.labels()
	if c.Istio.Revision != "" {
		// The namespace's label decides; this one makes a change of it replace the pods.
		podLabels[mesh.LabelRevision] = c.Istio.Revision
	}
	plan := drain.App(c.DrainSeconds)
	annotations := map[string]string{
		// For a cluster without native sidecars (kubelets before 1.33), where the sidecar
		// is told to end together with the app. A native one outlives the app anyhow.
		proxyConfigAnnotation: plan.ProxyConfig(),
	}
	if s.example {
		// nginx reads its configuration once.
		annotations[checksumAnnotation] = checksum(nginxConfig(s.name, c.ContainerPort))
	}

	return &appsv1.DeploymentArgs{
		Metadata: metadata(c, s.object, s.labels(), map[string]string{skipAwait: "true"}),
		Spec: appsv1.DeploymentSpecArgs{
			Replicas: pulumi.Int(s.replicas),
			Selector: metav1.LabelSelectorArgs{MatchLabels: labels},
			Strategy: appsv1.DeploymentStrategyArgs{
				Type:          pulumi.String("RollingUpdate"),
				RollingUpdate: appsv1.RollingUpdateDeploymentArgs{MaxUnavailable: pulumi.Int(0), MaxSurge: pulumi.Int(1)},
			},
			Template: corev1.PodTemplateSpecArgs{
				Metadata: metav1.ObjectMetaArgs{Labels: pulumi.ToStringMap(podLabels), Annotations: pulumi.ToStringMap(annotations)},
				Spec:     podSpec(c, s, plan),
			},
		},
	}
}

func podSpec(c *config.Config, s subset, plan drain.Plan) corev1.PodSpecArgs {
	pod := corev1.PodSpecArgs{
		// Neither the example app nor, as far as this program knows, the user's talks
		// to the API server.
		AutomountServiceAccountToken:  pulumi.Bool(false),
		TerminationGracePeriodSeconds: pulumi.Int(plan.Grace),
		TopologySpreadConstraints: corev1.TopologySpreadConstraintArray{corev1.TopologySpreadConstraintArgs{
			MaxSkew:     pulumi.Int(1),
			TopologyKey: pulumi.String("kubernetes.io/hostname"),
			// Not DoNotSchedule: a cluster of one node runs them all.
			WhenUnsatisfiable: pulumi.String("ScheduleAnyway"),
			LabelSelector:     metav1.LabelSelectorArgs{MatchLabels: pulumi.ToStringMap(s.labels())},
			// A new pod is compared with new pods only, so that a rolling update ends
			// as evenly spread as it began.
			MatchLabelKeys: pulumi.ToStringArray([]string{"pod-template-hash"}),
		}},
	}
	if c.ImagePullSecret != "" {
		pod.ImagePullSecrets = corev1.LocalObjectReferenceArray{
			corev1.LocalObjectReferenceArgs{Name: pulumi.String(c.ImagePullSecret)},
		}
	}
	app := container(c, s, plan)
	if s.example {
		exampleApp(&pod, &app, c.ContainerPort, s.object)
	}
	pod.Containers = corev1.ContainerArray{app}
	return pod
}

// container is the app's container as it is for any image.
func container(c *config.Config, s subset, plan drain.Plan) corev1.ContainerArgs {
	return corev1.ContainerArgs{
		Name:            pulumi.String(containerName),
		Image:           pulumi.String(s.image),
		ImagePullPolicy: pulumi.String("IfNotPresent"),
		Ports: corev1.ContainerPortArray{corev1.ContainerPortArgs{
			Name:          pulumi.String(portName),
			ContainerPort: pulumi.Int(c.ContainerPort),
		}},
		Resources: corev1.ResourceRequirementsArgs{
			Requests: pulumi.ToStringMap(map[string]string{"cpu": "10m", "memory": "32Mi"}),
		},
		// A pod is used as soon as it can serve. There is no liveness probe: it would
		// restart what it finds wrong, and a container that is broken says more while it
		// stands.
		StartupProbe:   probe(c, (c.StartSeconds+probePeriod-1)/probePeriod),
		ReadinessProbe: probe(c, 3),
		// The kubelet sleeps, so that the image needs no shell.
		Lifecycle: corev1.LifecycleArgs{
			PreStop: corev1.LifecycleHandlerArgs{
				Sleep: corev1.SleepActionArgs{Seconds: pulumi.Int(plan.Seconds)},
			},
		},
	}
}

// probePeriod is how often a probe asks, in seconds.
const probePeriod = 2

func probe(c *config.Config, failures int) corev1.ProbeArgs {
	return corev1.ProbeArgs{
		HttpGet: corev1.HTTPGetActionArgs{
			Path: pulumi.String(c.ReadinessPath),
			Port: pulumi.String(portName),
		},
		PeriodSeconds:    pulumi.Int(probePeriod),
		TimeoutSeconds:   pulumi.Int(2),
		FailureThreshold: pulumi.Int(failures),
	}
}

// exampleApp turns pod and container into nginx with the configuration of the
// named ConfigMap. It asks for no more than the restricted Pod Security level
// allows.
func exampleApp(pod *corev1.PodSpecArgs, app *corev1.ContainerArgs, port int, configMap string) {
	const configVolume, scratchVolume = "config", "tmp"

	security := corev1.PodSecurityContextArgs{
		RunAsNonRoot:   pulumi.Bool(true),
		RunAsUser:      pulumi.Int(nginxUser),
		RunAsGroup:     pulumi.Int(nginxUser),
		SeccompProfile: corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
	}
	if port < firstUnprivilegedPort {
		security.Sysctls = corev1.SysctlArray{corev1.SysctlArgs{
			Name:  pulumi.String("net.ipv4.ip_unprivileged_port_start"),
			Value: pulumi.String("0"),
		}}
	}
	pod.SecurityContext = security
	pod.Volumes = corev1.VolumeArray{
		corev1.VolumeArgs{
			Name:      pulumi.String(configVolume),
			ConfigMap: corev1.ConfigMapVolumeSourceArgs{Name: pulumi.String(configMap)},
		},
		corev1.VolumeArgs{
			Name:     pulumi.String(scratchVolume),
			EmptyDir: corev1.EmptyDirVolumeSourceArgs{},
		},
	}

	app.Command = pulumi.ToStringArray([]string{"nginx", "-e", "stderr", "-g", "daemon off;"})
	app.SecurityContext = corev1.SecurityContextArgs{
		AllowPrivilegeEscalation: pulumi.Bool(false),
		ReadOnlyRootFilesystem:   pulumi.Bool(true),
		Capabilities:             corev1.CapabilitiesArgs{Drop: pulumi.ToStringArray([]string{"ALL"})},
	}
	app.VolumeMounts = corev1.VolumeMountArray{
		corev1.VolumeMountArgs{
			Name:      pulumi.String(configVolume),
			MountPath: pulumi.String(nginxConfigPath),
			SubPath:   pulumi.String(nginxConfigKey),
			ReadOnly:  pulumi.Bool(true),
		},
		corev1.VolumeMountArgs{
			Name:      pulumi.String(scratchVolume),
			MountPath: pulumi.String("/tmp"),
		},
	}
}
