package build

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"canary/lab/image"
)

// nodeVolumes are kept outside the node's own file system: an overlay cannot lie on an overlay.
var nodeVolumes = []string{"/var/lib/kubelet", "/var/lib/rancher/k3s", "/var/lib/cni", "/var/lib/containerd", "/var/log"}

// makeImages writes the images of the Docker engine to engine/, with the id of each beside it. The images
// that pods run are in layouts below pods/, and inside the node image, where the node imports them from.
func makeImages(r *Recipe, n Names) error {
	b := images{
		root: filepath.Join(r.Of("rootfs"), "root"), node: r.Of("node"), cluster: r.Of("cluster"), envoy: r.Of("envoy"),
		metricsServer: r.Of("metrics-server"), podinfo: r.Of("podinfo"), registry: r.Of("registry"), names: n,
	}
	pods := filepath.Join(r.Out, "pods")
	for dir, specs := range map[string][]func() (image.Spec, error){
		"all":   {b.pause, b.coreDNS, b.metricsServerImage},
		"agent": {b.pilot, b.proxy, b.nginx, b.podInfo},
	} {
		for _, make := range specs {
			spec, err := make()
			if err != nil {
				return err
			}
			if err := image.AppendToLayout(filepath.Join(pods, dir), spec); err != nil {
				return err
			}
		}
	}
	for _, spec := range []func() (image.Spec, error){
		func() (image.Spec, error) { return b.nodeImage(pods) }, b.loadBalancer, b.tools, b.registryImage,
	} {
		if err := write(filepath.Join(r.Out, "engine"), spec); err != nil {
			return err
		}
	}
	return nil
}

func write(dir string, describe func() (image.Spec, error)) error {
	spec, err := describe()
	if err != nil {
		return err
	}
	file := filepath.Join(dir, ArchiveName(spec.Ref))
	id, err := image.Write(file, spec)
	if err != nil {
		return err
	}
	return os.WriteFile(file+".id", []byte(id), 0o644)
}

// ArchiveName is the file of an image of the Docker engine.
func ArchiveName(ref string) string {
	return strings.NewReplacer("/", "_", ":", "_").Replace(ref) + ".tar"
}

type images struct {
	root, node, cluster, envoy, metricsServer, podinfo, registry string
	names                                                        Names
}

func (b images) pause() (image.Spec, error) {
	return image.Spec{
		Ref:    pauseImage,
		Layers: []image.Layer{{{Path: "pause", Source: filepath.Join(b.node, "pause"), Mode: 0o755}}},
		Config: v1.Config{Entrypoint: []string{"/pause"}, User: "65535:65535"},
	}, nil
}

func (b images) coreDNS() (image.Spec, error) {
	return image.Spec{
		Ref:    coreDNSImage,
		Layers: []image.Layer{{{Path: "coredns", Source: filepath.Join(b.cluster, "dns"), Mode: 0o755}}},
		Config: v1.Config{Entrypoint: []string{"/coredns"}},
	}, nil
}

func (b images) metricsServerImage() (image.Spec, error) {
	return image.Spec{
		Ref:    metricsServerImage,
		Layers: []image.Layer{{{Path: "metrics-server", Source: filepath.Join(b.metricsServer, "metrics-server"), Mode: 0o755}}},
		Config: v1.Config{Entrypoint: []string{"/metrics-server"}},
	}, nil
}

func (b images) pilot() (image.Spec, error) {
	return image.Spec{
		Ref: b.names.IstioHub + "/pilot:" + b.names.IstioVersion,
		Layers: []image.Layer{append(istioUser(),
			image.Entry{Path: "usr/local/bin/pilot-discovery", Source: filepath.Join(b.cluster, "pilot-discovery"), Mode: 0o755})},
		Config: v1.Config{Entrypoint: []string{"/usr/local/bin/pilot-discovery"}, User: "1337:1337"},
	}, nil
}

// proxy holds, beside Envoy and its agent, the iptables with which the agent redirects a pod's traffic.
func (b images) proxy() (image.Spec, error) {
	const iptables = "usr/sbin/xtables-legacy-multi"
	envoy := filepath.Join(b.envoy, "envoy")
	libs, err := image.Closure(b.root, envoy, filepath.Join(b.root, iptables))
	if err != nil {
		return image.Spec{}, err
	}
	agent := append(istioUser(),
		image.Entry{Path: "usr/local/bin/pilot-agent", Source: filepath.Join(b.cluster, "pilot-agent"), Mode: 0o755},
		image.Entry{Path: "var/lib/istio/envoy/envoy_bootstrap_tmpl.json", Source: filepath.Join(b.cluster, "envoy_bootstrap.json"), Mode: 0o644},
		image.Entry{Path: "etc/ssl/certs/ca-certificates.crt", Source: filepath.Join(b.root, "etc/ssl/certs/ca-certificates.crt"), Mode: 0o644},
		image.Entry{Path: "run", Dir: true}, // iptables' lock
		image.Entry{Path: iptables, Source: filepath.Join(b.root, iptables), Mode: 0o755},
		image.Entry{Path: "usr/lib/x86_64-linux-gnu/xtables", Source: filepath.Join(b.root, "usr/lib/x86_64-linux-gnu/xtables")},
	)
	for _, name := range []string{"iptables", "ip6tables"} {
		for _, suffix := range []string{"", "-save", "-restore"} {
			agent = append(agent,
				image.Entry{Path: "usr/sbin/" + name + suffix, Link: "xtables-legacy-multi"},
				image.Entry{Path: "usr/sbin/" + name + "-legacy" + suffix, Link: "xtables-legacy-multi"})
		}
	}
	return image.Spec{
		Ref:    b.names.IstioHub + "/proxyv2:" + b.names.IstioVersion,
		Layers: []image.Layer{libs, {{Path: "usr/local/bin/envoy", Source: envoy, Mode: 0o755}}, agent},
		Config: v1.Config{
			Entrypoint: []string{"/usr/local/bin/pilot-agent"}, User: "1337:1337",
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		},
	}, nil
}

func istioUser() image.Layer {
	return image.Layer{
		{Path: "etc/passwd", Content: "root:x:0:0:root:/root:/\nistio-proxy:x:1337:1337::/home/istio-proxy:/\n"},
		{Path: "etc/group", Content: "root:x:0:\nistio-proxy:x:1337:\n"},
		{Path: "tmp", Dir: true, Mode: 0o1777},
	}
}

// nginx is the program alone, without the shell and the entry point script of the published image.
func (b images) nginx() (image.Spec, error) {
	program := filepath.Join(b.root, "usr/sbin/nginx")
	libs, err := image.Closure(b.root, program)
	if err != nil {
		return image.Spec{}, err
	}
	return image.Spec{
		Ref: b.names.NginxImage,
		Layers: []image.Layer{append(libs,
			image.Entry{Path: "etc/passwd", Content: "root:x:0:0:root:/root:/\nnginx:x:101:101::/nonexistent:/\n"},
			image.Entry{Path: "etc/group", Content: "root:x:0:\nnginx:x:101:\n"},
			image.Entry{Path: "etc/nginx/mime.types", Source: filepath.Join(b.root, "etc/nginx/mime.types"), Mode: 0o644},
			image.Entry{Path: "usr/sbin/nginx", Source: program, Mode: 0o755},
			image.Entry{Path: "var/log/nginx", Dir: true},
			image.Entry{Path: "var/lib/nginx", Dir: true, Mode: 0o777},
			image.Entry{Path: "tmp", Dir: true, Mode: 0o1777},
		)},
		Config: v1.Config{Cmd: []string{"nginx", "-g", "daemon off;"}, Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}},
	}, nil
}

// podInfo is the program alone, without a shell.
func (b images) podInfo() (image.Spec, error) {
	return image.Spec{
		Ref: podinfoImage,
		Layers: []image.Layer{{
			{Path: "home/app/podinfo", Source: filepath.Join(b.podinfo, "podinfo"), Mode: 0o755},
			{Path: "home/app/ui", Source: filepath.Join(b.podinfo, "ui")},
			{Path: "etc/passwd", Content: "root:x:0:0:root:/root:/\napp:x:100:101::/home/app:/\n"},
			{Path: "tmp", Dir: true, Mode: 0o1777},
		}},
		Config: v1.Config{Cmd: []string{"./podinfo"}, WorkingDir: "/home/app", User: "100:101"},
	}, nil
}

func (b images) nodeImage(pods string) (image.Spec, error) {
	volumes := map[string]struct{}{}
	for _, v := range nodeVolumes {
		volumes[v] = struct{}{}
	}
	return image.Spec{
		Ref: b.names.K3sImage,
		Layers: []image.Layer{
			{{Source: b.root, Exclude: []string{"usr/sbin/nginx", "proc/*", "sys/*", "dev/*", "bin/sh", "usr/bin/sh"}}},
			{
				{Path: "usr/local/bin/kube", Source: filepath.Join(b.cluster, "kube"), Mode: 0o755},
				{Path: "usr/local/bin/kubectl", Link: "kube"},
				{Path: "usr/bin/k3s", Source: filepath.Join(b.node, "node"), Mode: 0o755},
				// k3d's entry point traps signals by name, which dash does not know.
				{Path: "usr/bin/sh", Link: "bash"},
			},
			{{Path: "images", Source: pods}},
		},
		Config: v1.Config{
			Entrypoint: []string{"/bin/k3s"}, Cmd: []string{"agent"}, Volumes: volumes,
			Env: []string{
				"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
				"KUBECONFIG=/etc/rancher/k3s/k3s.yaml",
				// `k3d image import` calls ctr, which then puts the images where the kubelet looks.
				"CONTAINERD_NAMESPACE=k8s.io",
			},
		},
	}, nil
}

func (b images) loadBalancer() (image.Spec, error) {
	return image.Spec{
		Ref: fmt.Sprintf("ghcr.io/k3d-io/k3d-proxy:%s", b.names.K3dVersion),
		Layers: []image.Layer{{
			{Path: "etc/confd", Dir: true},
			{Path: "loadbalancer", Source: filepath.Join(b.node, "loadbalancer"), Mode: 0o755},
		}},
		Config: v1.Config{Entrypoint: []string{"/loadbalancer"}},
	}, nil
}

// tools is a container that k3d keeps beside the nodes; all that it has to do is to stay.
func (b images) tools() (image.Spec, error) {
	return image.Spec{
		Ref:    fmt.Sprintf("ghcr.io/k3d-io/k3d-tools:%s", b.names.K3dVersion),
		Layers: []image.Layer{{{Path: "tools", Source: filepath.Join(b.node, "pause"), Mode: 0o755}}},
		Config: v1.Config{Entrypoint: []string{"/tools"}},
	}, nil
}

// registryImage has the configuration of the published image: images in a folder that is a volume, and no password.
func (b images) registryImage() (image.Spec, error) {
	const config = `version: 0.1
log: {fields: {service: registry}}
storage:
  filesystem: {rootdirectory: /var/lib/registry}
  delete: {enabled: true}
http: {addr: ":5000", headers: {X-Content-Type-Options: [nosniff]}}
`
	return image.Spec{
		Ref: b.names.RegistryImage,
		Layers: []image.Layer{{
			{Path: "bin/registry", Source: filepath.Join(b.registry, "registry"), Mode: 0o755},
			{Path: "etc/distribution/config.yml", Content: config},
			{Path: "tmp", Dir: true, Mode: 0o1777},
			{Path: "var/lib/registry", Dir: true},
		}},
		Config: v1.Config{
			Entrypoint: []string{"/bin/registry"}, Cmd: []string{"serve", "/etc/distribution/config.yml"},
			Env:     []string{"OTEL_TRACES_EXPORTER=none"},
			Volumes: map[string]struct{}{"/var/lib/registry": {}}, ExposedPorts: map[string]struct{}{"5000/tcp": {}},
		},
	}, nil
}
