package relay

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"fmt"
	"strings"
	"text/template"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	port      = 8081 // relays to the app
	readyPort = 8082 // answers by itself
	container = "relay"

	managedByLabel = "app.kubernetes.io/managed-by"
	managedBy      = "canary-requests"
	configKey      = "canary-requests/nginx.conf"
	configFolder   = "/etc/relay"

	// uid is that of nginx in its image.
	uid = 101
)

//go:embed nginx.conf
var nginxConf string

var nginxTemplate = template.Must(template.New("nginx.conf").Parse(nginxConf))

func nginxConfig(o Options) string {
	var b bytes.Buffer
	err := nginxTemplate.Execute(&b, map[string]any{
		"Service": o.Service, "Namespace": o.Namespace, "GRPC": o.GRPC, "Port": port, "ReadyPort": readyPort,
	})
	if err != nil {
		panic(fmt.Sprintf("relay's nginx.conf: %v", err)) // cannot fail: the template and its fields are fixed
	}
	return b.String()
}

// podName is chosen here and not by the API server, so that the pod can be
// removed even when the answer to its creation is lost.
func podName() string {
	return "canary-requests-" + strings.ToLower(rand.Text()[:8])
}

// podFor is the relay as one object: its configuration travels in its own
// annotation. It has none of the labels of the app's Service.
func podFor(o Options, name string) *corev1.Pod {
	return &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name:      name,
			Namespace: o.Namespace,
			Labels: map[string]string{
				managedByLabel:            managedBy,
				"sidecar.istio.io/inject": "true",
			},
			Annotations: map[string]string{
				configKey: nginxConfig(o),
				// nginx resolves the Service when it starts. Native sidecars
				// are up by then; others need to be told.
				"proxy.istio.io/config": `{"holdApplicationUntilProxyStarts": true}`,
			},
		},
		Spec: corev1.PodSpec{
			ActiveDeadlineSeconds:         new(int64(o.Lifetime / time.Second)),
			TerminationGracePeriodSeconds: new(int64(1)),
			AutomountServiceAccountToken:  new(false),
			EnableServiceLinks:            new(false),
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot:   new(true),
				RunAsUser:      new(int64(uid)),
				RunAsGroup:     new(int64(uid)),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name:            container,
				Image:           o.Image,
				ImagePullPolicy: corev1.PullIfNotPresent,
				Command:         []string{"nginx", "-e", "stderr", "-c", configFolder + "/nginx.conf", "-g", "daemon off;"},
				// The last lines of nginx's log explain a relay that cannot start.
				TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
					corev1.ResourceCPU:    resource.MustParse("10m"),
					corev1.ResourceMemory: resource.MustParse("32Mi"),
				}},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: new(false),
					ReadOnlyRootFilesystem:   new(true),
					Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
				VolumeMounts: []corev1.VolumeMount{
					{Name: "config", MountPath: configFolder, ReadOnly: true},
					{Name: "tmp", MountPath: "/tmp"},
				},
			}},
			Volumes: []corev1.Volume{
				{Name: "config", VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{
					Items: []corev1.DownwardAPIVolumeFile{{
						Path:     "nginx.conf",
						FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.annotations['" + configKey + "']"},
					}},
				}}},
				{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			},
		},
	}
}
