package cluster

import (
	"fmt"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"canary/internal/config"
	"canary/internal/pins"
)

// The labels on the cluster's containers that are known before it is made; scripts/lib/cluster.sh reads them.
const (
	nodesLabel    = "canary.cluster-nodes"
	settingsLabel = "canary.cluster-settings"
	stackLabel    = "canary.cluster-stack"
)

// imageCache is the container of the cache of images; scripts/lib/image-cache.sh makes it.
const imageCache = "canary-image-cache"

// The types below are k3d's own file format, k3d.io/v1alpha5, as far as it is used. k3d's module is not imported: it
// would bring Docker's client into the program.
type (
	k3dFile struct {
		APIVersion string        `json:"apiVersion"`
		Kind       string        `json:"kind"`
		Metadata   k3dMetadata   `json:"metadata"`
		Servers    int           `json:"servers"`
		Agents     int           `json:"agents"`
		Image      string        `json:"image"`
		KubeAPI    k3dKubeAPI    `json:"kubeAPI"`
		Ports      []k3dFiltered `json:"ports"`
		Registries k3dRegistries `json:"registries,omitzero"`
		Options    k3dOptions    `json:"options"`
	}
	k3dMetadata struct {
		Name string `json:"name"`
	}
	k3dKubeAPI struct {
		HostIP string `json:"hostIP"`
	}
	// k3dFiltered is a port, an argument or a label, and the nodes that get it.
	k3dFiltered struct {
		Port        string   `json:"port,omitempty"`
		Arg         string   `json:"arg,omitempty"`
		Label       string   `json:"label,omitempty"`
		NodeFilters []string `json:"nodeFilters"`
	}
	k3dRegistries struct {
		Create k3dRegistry `json:"create,omitzero"`
		Config string      `json:"config,omitempty"` // k3sRegistries
	}
	k3dRegistry struct {
		Name     string `json:"name"`
		Host     string `json:"host"`
		HostPort string `json:"hostPort"`
		Image    string `json:"image"`
	}
	k3dOptions struct {
		K3d        k3dWaiting    `json:"k3d"`
		K3s        k3dK3s        `json:"k3s"`
		Kubeconfig k3dKubeconfig `json:"kubeconfig"`
		Runtime    k3dRuntime    `json:"runtime"`
	}
	k3dWaiting struct {
		Wait    bool   `json:"wait"`
		Timeout string `json:"timeout"`
	}
	k3dK3s struct {
		ExtraArgs []k3dFiltered `json:"extraArgs"`
	}
	k3dKubeconfig struct {
		UpdateDefaultKubeconfig bool `json:"updateDefaultKubeconfig"`
		SwitchCurrentContext    bool `json:"switchCurrentContext"`
	}
	k3dRuntime struct {
		Labels []k3dFiltered `json:"labels"`
	}

	// k3sRegistries is K3s's registries.yaml.
	k3sRegistries struct {
		Mirrors map[string]k3sMirror `json:"mirrors"`
	}
	// k3sMirror is where a node asks for images of a registry, one endpoint after the other.
	k3sMirror struct {
		Endpoints []string `json:"endpoint"`
	}
)

// k3dConfig gives k3d's configuration file for a cluster of one server and c.Agents agents behind a load balancer.
// It fails when a value holds a "$": k3d would put an environment variable in its place.
func k3dConfig(c config.Cluster, stackName string) ([]byte, error) {
	const servers = 1
	everywhere, onServers := []string{"all"}, []string{"server:*"}

	// Istio's ingress gateway is what serves the port that Traefik would take.
	args := []k3dFiltered{{Arg: "--disable=traefik", NodeFilters: onServers}}
	if !c.MetricsServer {
		args = append(args, k3dFiltered{Arg: "--disable=metrics-server", NodeFilters: onServers})
	}
	if c.RegistryPort != 0 {
		// Else a node that does not find an image in the registry asks for it on its own loopback address, and all that it tells
		// is that nobody answers there.
		args = append(args, k3dFiltered{
			Arg:         "--disable-default-registry-endpoint=true",
			NodeFilters: []string{"server:*", "agent:*"},
		})
	}
	if c.Agents > 0 {
		args = append(args, k3dFiltered{
			Arg:         "--node-taint=node-role.kubernetes.io/control-plane=true:NoSchedule",
			NodeFilters: onServers,
		})
	}

	reg, err := registries(c)
	if err != nil {
		return nil, err
	}
	file := k3dFile{
		APIVersion: "k3d.io/v1alpha5",
		Kind:       "Simple",
		Metadata:   k3dMetadata{Name: c.Name},
		Servers:    servers,
		Agents:     c.Agents,
		Image:      c.K3sImage,
		// For this machine alone. It is also the address in the kubeconfig, and no proxy is asked for a loopback address.
		KubeAPI:    k3dKubeAPI{HostIP: "127.0.0.1"},
		Ports:      ports(c),
		Registries: reg,
		Options: k3dOptions{
			K3d: k3dWaiting{Wait: true, Timeout: "300s"},
			K3s: k3dK3s{ExtraArgs: args},
			Runtime: k3dRuntime{Labels: []k3dFiltered{
				{Label: fmt.Sprintf("%s=%d", nodesLabel, servers+c.Agents+1), NodeFilters: everywhere},
				{Label: settingsLabel + "=" + settings(c), NodeFilters: everywhere},
				{Label: stackLabel + "=" + stackName, NodeFilters: everywhere},
			}},
		},
	}
	text, err := yaml.Marshal(file)
	if err != nil {
		return nil, fmt.Errorf("write k3d's configuration: %w", err)
	}
	if strings.Contains(string(text), "$") {
		return nil, fmt.Errorf("k3d replaces $ by environment variables, so none may be in clusterName (%q), k3sImage (%q) "+
			"or the stack's name (%q)", c.Name, c.K3sImage, stackName)
	}
	return text, nil
}

// ports are those of this machine that reach the ingress gateway.
func ports(c config.Cluster) []k3dFiltered {
	published := []k3dFiltered{{Port: fmt.Sprintf("%d:80", c.HTTPPort), NodeFilters: []string{"loadbalancer"}}}
	if c.HTTPSPort != 0 {
		published = append(published, k3dFiltered{Port: fmt.Sprintf("%d:443", c.HTTPSPort), NodeFilters: []string{"loadbalancer"}})
	}
	return published
}

// registries are the cluster's own registry and the cache of images, where it has them, and the names that its nodes know
// them by. That of its own registry is the one that docker on this machine pushes to, for which docker asks for no certificate.
func registries(c config.Cluster) (k3dRegistries, error) {
	var r k3dRegistries
	mirrors := map[string]k3sMirror{}
	if c.RegistryPort != 0 {
		name := "k3d-" + c.Name + "-registry"
		// For this machine alone: it takes images from everybody who reaches it.
		r.Create = k3dRegistry{Name: name, Host: "127.0.0.1", HostPort: strconv.Itoa(c.RegistryPort), Image: pins.RegistryImage}
		mirrors[fmt.Sprintf("localhost:%d", c.RegistryPort)] = k3sMirror{[]string{endpoint(name)}}
	}
	if c.ImageCache != "" {
		// Without the second a cluster with a registry of its own would ask nobody else, see k3dConfig.
		mirrors["docker.io"] = k3sMirror{[]string{endpoint(imageCache), c.ImageCache}}
	}
	if len(mirrors) == 0 {
		return r, nil
	}
	text, err := yaml.Marshal(k3sRegistries{mirrors})
	if err != nil {
		return r, fmt.Errorf("write K3s's registries: %w", err)
	}
	r.Config = string(text)
	return r, nil
}

// endpoint is where nodes reach a registry that runs in a container.
func endpoint(container string) string {
	const port = 5000
	return fmt.Sprintf("http://%s:%d", container, port)
}

// settings gives what a living cluster cannot take on, by the names of the keys in the stack's configuration. It is
// written on the cluster, and compared and shown by scripts/cluster-create.sh. No value holds a space.
func settings(c config.Cluster) string {
	return fmt.Sprintf("httpPort=%d httpsPort=%d k3sImage=%s metricsServer=%t registryPort=%d",
		c.HTTPPort, c.HTTPSPort, c.K3sImage, c.MetricsServer, c.RegistryPort)
}
