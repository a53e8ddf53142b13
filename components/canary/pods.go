package canary

import (
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"canary/internal/config"
	"canary/internal/drain"
	"canary/internal/mesh"
	"canary/internal/podpatch"
	"canary/internal/release"
)

const (
	// skipAwait stops the provider from waiting for pods. Its wait would hold up a
	// split that moves away from a sick subset, and it cannot say what a pod waits
	// for; the wait of this package does neither.
	skipAwait = "pulumi.com/skipAwait"

	// deletionPolicy says whether a deleted Deployment stays until its pods are gone. In
	// a namespace that stays, the next update would write to it, and lose it.
	deletionPolicy = "pulumi.com/deletionPropagationPolicy"

	checksumAnnotation    = "checksum/nginx.conf"
	envAnnotation         = "checksum/env"
	proxyConfigAnnotation = "proxy.istio.io/config"

	// readyPeriod is how often an app that has started is asked, in seconds. One that starts
	// is asked every second, since each release waits for it.
	readyPeriod = 2
)

// deployment is that of one subset. An update never goes below the wanted number
// of ready pods, and a pod that ends first serves what reaches it for drainSeconds
// more.
func deployment(c *config.Config, s subset) (*appsv1.Deployment, error) {
	sum, err := slowChecksum(s.secretEnv(), c.Namespace+"/"+s.secretName())
	if err != nil {
		return nil, fmt.Errorf("subset %s: checksum of its secret environment: %w", s.name, err)
	}
	merged, err := podpatch.Apply(podTemplate(c, s, sum), s.patches...)
	if err != nil {
		return nil, err
	}
	own := map[string]string{skipAwait: "true"}
	if !c.CreateNamespace {
		own[deletionPolicy] = "background"
	}
	none, one := intstr.FromInt32(0), intstr.FromInt32(1)
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: objectMeta(c, s.object, s.labels(), own),
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(s.pods.Min)), //nolint:gosec // at most 100
			Selector: &metav1.LabelSelector{MatchLabels: s.labels()},
			Strategy: appsv1.DeploymentStrategy{
				Type:          appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: &none, MaxSurge: &one},
			},
			Template: merged,
		},
	}, nil
}

// podTemplate is the pod of one subset, as the program has it. envSum is what makes it
// follow its secret environment, when it has one.
func podTemplate(c *config.Config, s subset, envSum string) corev1.PodTemplateSpec {
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
	if len(s.secretEnv()) > 0 {
		annotations[envAnnotation] = envSum
	}
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: podLabels(c, s), Annotations: annotations},
		Spec:       podSpec(c, s, plan),
	}
}

// podLabels are those of a subset's pods.
func podLabels(c *config.Config, s subset) map[string]string {
	all := s.labels()
	if c.Istio.Revision != "" {
		// In a namespace of the stack's, whose label decides, this one makes a change of it
		// replace the pods.
		all[mesh.LabelRevision] = c.Istio.Revision
	}
	if !c.CreateNamespace {
		// Where the namespace has no label, the pods' own decide.
		all[mesh.LabelInject] = "true"
	}
	return all
}

func podSpec(c *config.Config, s subset, plan drain.Plan) corev1.PodSpec {
	pod := corev1.PodSpec{
		// Neither the example app nor, as far as this program knows, the user's talks
		// to the API server.
		AutomountServiceAccountToken:  new(false),
		TerminationGracePeriodSeconds: new(int64(plan.Grace)),
		Affinity:                      &corev1.Affinity{PodAntiAffinity: apart(s)},
	}
	if c.ImagePullSecret != "" {
		pod.ImagePullSecrets = []corev1.LocalObjectReference{{Name: c.ImagePullSecret}}
	}
	app := container(c, s, plan)
	if s.example {
		exampleApp(&pod, &app, c.ContainerPort, s.object)
	}
	pod.Containers = []corev1.Container{app}
	return pod
}

// apart asks for another node than the pods of the same subset have and, less so, for
// another than any pod of the app has. It only asks: a cluster of one node runs them all.
func apart(s subset) *corev1.PodAntiAffinity {
	from := func(weight int32, labels map[string]string, keys ...string) corev1.WeightedPodAffinityTerm {
		return corev1.WeightedPodAffinityTerm{Weight: weight, PodAffinityTerm: corev1.PodAffinityTerm{
			TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: labels}, MatchLabelKeys: keys,
		}}
	}
	return &corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{
		// Of its subset a new pod keeps away from new pods only, so that a rolling update
		// ends as evenly spread as it began.
		from(100, s.labels(), appsv1.DefaultDeploymentUniqueLabelKey),
		from(50, map[string]string{release.LabelName: s.app}),
	}}
}

// container is the app's container as it is for any image.
func container(c *config.Config, s subset, plan drain.Plan) corev1.Container {
	app := corev1.Container{
		Name:            podpatch.App,
		Image:           s.image,
		ImagePullPolicy: corev1.PullIfNotPresent,
		Ports:           []corev1.ContainerPort{{Name: portName, ContainerPort: int32(c.ContainerPort)}}, //nolint:gosec // at most 65535
		Env:             plainEnv(s),
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("32Mi"),
		}},
		// A pod is used as soon as it can serve. There is no liveness probe: it would
		// restart what it finds wrong, and a container that is broken says more while it
		// stands.
		StartupProbe:   probe(c, 1, c.StartSeconds),
		ReadinessProbe: probe(c, readyPeriod, 3),
		// The kubelet sleeps, so that the image needs no shell.
		Lifecycle: &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: int64(plan.Seconds)}}},
	}
	if len(s.secretEnv()) > 0 {
		app.EnvFrom = []corev1.EnvFromSource{{
			SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: s.secretName()}},
		}}
	}
	return app
}

// plainEnv are the environment variables that everybody may read, by name.
func plainEnv(s subset) []corev1.EnvVar {
	var env []corev1.EnvVar
	for _, name := range slices.Sorted(maps.Keys(s.env)) {
		if variable := s.env[name]; !variable.Secret {
			env = append(env, corev1.EnvVar{Name: name, Value: variable.Value})
		}
	}
	return env
}

func probe(c *config.Config, period int32, failures int) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:     probeHandler(c.Readiness, c.ContainerPort),
		PeriodSeconds:    period,
		TimeoutSeconds:   2,
		FailureThreshold: int32(failures), //nolint:gosec // at most 3600
	}
}

func probeHandler(readiness config.Readiness, containerPort int) corev1.ProbeHandler {
	port := intstr.FromInt(readiness.Port)
	if readiness.Port == containerPort {
		port = intstr.FromString(portName)
	}
	switch readiness.Protocol {
	case config.ReadinessGRPC:
		return corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: int32(readiness.Port)}} //nolint:gosec // at most 65535
	case config.ReadinessTCP:
		return corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: port}}
	default:
		return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: readiness.Path, Port: port}}
	}
}
