package canary

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

const (
	// nginxUser is the user and group nginx in the official image.
	nginxUser = 101

	nginxConfigKey  = "nginx.conf"
	nginxConfigPath = "/etc/nginx/nginx.conf"

	// firstUnprivilegedPort is the lowest port that a process without privileges
	// may listen on by default.
	firstUnprivilegedPort = 1024
)

// exampleApp turns pod and container into nginx with the configuration of the
// named ConfigMap. It asks for no more than the restricted Pod Security level
// allows.
func exampleApp(pod *corev1.PodSpec, app *corev1.Container, port int, configMap string) {
	const configVolume, scratchVolume = "config", "tmp"

	pod.SecurityContext = &corev1.PodSecurityContext{
		RunAsNonRoot:   new(true),
		RunAsUser:      new(int64(nginxUser)),
		RunAsGroup:     new(int64(nginxUser)),
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	if port < firstUnprivilegedPort {
		pod.SecurityContext.Sysctls = []corev1.Sysctl{{Name: "net.ipv4.ip_unprivileged_port_start", Value: "0"}}
	}
	pod.Volumes = []corev1.Volume{
		{Name: configVolume, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: configMap},
		}}},
		{Name: scratchVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
	}

	app.Command = []string{"nginx", "-e", "stderr", "-g", "daemon off;"}
	app.SecurityContext = &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false),
		ReadOnlyRootFilesystem:   new(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	app.VolumeMounts = []corev1.VolumeMount{
		{Name: configVolume, MountPath: nginxConfigPath, SubPath: nginxConfigKey, ReadOnly: true},
		{Name: scratchVolume, MountPath: "/tmp"},
	}
}

// nginxConfig is the whole configuration of the example app: any request, on any
// path, is answered with the pod's name and its subset.
//
// Everything that nginx writes goes to /tmp, the only writable folder. One worker
// is plenty; nginx's own choice would be one for each of the node's CPUs.
// keepalive_timeout is longer than the hour after which Envoy closes an idle
// connection, so no request meets a connection that nginx is closing.
func nginxConfig(subsetName string, port int) string {
	return fmt.Sprintf(`worker_processes 1;
pid /tmp/nginx.pid;
error_log stderr warn;

events {
  worker_connections 1024;
}

http {
  client_body_temp_path /tmp/client_body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;

  access_log off;
  server_tokens off;
  client_max_body_size 0;
  keepalive_timeout 65m;

  server {
    listen %d;

    location / {
      default_type application/json;
      return 200 '{"hostname":"$hostname","subset":"%s"}\n';
    }
  }
}
`, port, subsetName)
}
