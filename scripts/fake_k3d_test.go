package scripts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// token is the secret in the fake's kubeconfig.
const token = "very-secret-token"

// fakeK3d does what the scripts use of k3d, with its habits: it logs to both streams, leaves a copy of its configuration
// in TMPDIR and would write to the kubeconfig of the environment.
//
//   - FAKE_CREATE=fail: create stops with an error after FAKE_NODES nodes and leaves them there.
//   - FAKE_CREATE=hang: create stays there and logs on.
//   - FAKE_START, FAKE_KUBECONFIG, FAKE_NODE, FAKE_IMPORT=fail: that command fails; FAKE_NODE leaves the node there.
//   - FAKE_IMPORT=break, or =break once: import says that a stream broke off, and stays there.
func fakeK3d(folder string, args []string) error {
	kubeconfig := os.Getenv("KUBECONFIG")
	if kubeconfig == "" {
		kubeconfig = filepath.Join(os.Getenv("HOME"), ".kube", "config")
	}
	if err := os.WriteFile(kubeconfig, []byte("touched by k3d"), 0o600); err != nil {
		return err
	}
	for _, variable := range []string{"K3D_CONFIG", "K3D_AGENTS"} {
		if value, ok := os.LookupEnv(variable); ok {
			return fmt.Errorf("%s=%s changes what k3d does", variable, value)
		}
	}
	values, rest := flags(args[2:])
	switch strings.Join(args[:2], " ") {
	case "cluster create":
		return createCluster(folder, rest[0], values["--config"][0], values["--runtime-label"])
	case "cluster start":
		if os.Getenv("FAKE_START") == "fail" {
			return errors.New("failed to start the server")
		}
		return change(folder, func(w *world) error {
			for _, c := range w.Containers {
				if c.Labels["k3d.cluster"] == rest[0] {
					c.State = "running"
				}
			}
			return nil
		})
	case "node create":
		return createNode(folder, "k3d-"+rest[0]+"-0", values["--cluster"][0], values["--runtime-label"])
	case "kubeconfig get":
		fmt.Printf("---\napiVersion: v1\nkind: Config\nusers:\n- name: admin@k3d-%s\n  user: {token: %s}\n", rest[0], token)
		if os.Getenv("FAKE_KUBECONFIG") == "fail" {
			return errors.New("runtime failed to pull kubeconfig")
		}
		return nil
	case "image import":
		switch os.Getenv("FAKE_IMPORT") {
		case "fail":
			return errors.New("failed to import images in node")
		case "break", "break once":
			broken := filepath.Join(folder, "import-broken")
			if _, err := os.Stat(broken); err == nil && os.Getenv("FAKE_IMPORT") == "break once" {
				break
			}
			if err := os.WriteFile(broken, nil, 0o600); err != nil {
				return err
			}
			fmt.Fprintln(os.Stderr, `time="2026-11-27T18:25:00Z" level=error msg="Failed to copy read stream. write unix @->docker.sock: use of closed network connection"`)
			time.Sleep(time.Minute)
		}
		info(fmt.Sprintf("imported %q in mode %s into %s", rest, values["--mode"], values["--cluster"]))
		return nil
	}
	return fmt.Errorf("the fake k3d does not know %q", args)
}

type k3dFile struct {
	Agents     int `json:"agents"`
	Registries struct {
		Create struct {
			Name     string `json:"name"`
			HostPort string `json:"hostPort"`
		} `json:"create"`
	} `json:"registries"`
	Options struct {
		Runtime struct {
			Labels []struct {
				Label string `json:"label"`
			} `json:"labels"`
		} `json:"runtime"`
	} `json:"options"`
}

func createCluster(folder, name, config string, labels []string) error {
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	if status, err := os.Stat(config); err != nil || status.Mode().Perm() != 0o600 {
		return fmt.Errorf("the configuration file has mode %v", status.Mode())
	}
	if err := os.WriteFile(filepath.Join(os.TempDir(), "k3d-config-tmp"), text, 0o600); err != nil {
		return err
	}
	var file k3dFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		return err
	}
	for _, one := range file.Options.Runtime.Labels {
		labels = append(labels, one.Label+"@all")
	}

	err = change(folder, func(w *world) error {
		for _, c := range w.Containers {
			if c.Labels["k3d.cluster"] == name {
				return errors.New("a cluster with that name already exists")
			}
		}
		if w.network("k3d-"+name) == nil {
			w.Networks = append(w.Networks, &thing{Name: "k3d-" + name, Labels: map[string]string{"app": "k3d"}})
		}
		w.Volumes = append(w.Volumes, &thing{
			Name: "k3d-" + name + "-images", Labels: map[string]string{"app": "k3d", "k3d.cluster": name},
		})
		w.run("k3d-"+name+"-tools", "running", map[string]string{"app": "k3d", "k3d.cluster": name, "k3d.role": "noRole"})
		w.network("k3d-" + name).Attached = []string{"k3d-" + name + "-tools"}
		if registry := file.Registries.Create; registry.Name != "" { // it gets none of the labels
			port, err := strconv.Atoi(registry.HostPort)
			if err != nil {
				return err
			}
			w.run(registry.Name, "created", map[string]string{"app": "k3d", "k3d.cluster": name, "k3d.role": "registry"}, port)
			w.network("k3d-" + name).Attached = append(w.network("k3d-"+name).Attached, registry.Name)
		}
		return nil
	})
	if err != nil {
		return err
	}

	nodes := nodesOf(name, file.Agents)
	stopAfter := number("FAKE_NODES", len(nodes))
	for _, node := range nodes[:stopAfter] {
		info("Creating node '" + node.Name + "'")
		for _, label := range labels {
			key, value, _ := strings.Cut(strings.TrimSuffix(label, "@all"), "=")
			node.Labels[key] = value
		}
		if err := change(folder, func(w *world) error { w.run(node.Name, "created", node.Labels); return nil }); err != nil {
			return err
		}
	}
	switch os.Getenv("FAKE_CREATE") {
	case "fail":
		return errors.New("docker failed to pull image 'rancher/k3s': no such host")
	case "hang":
		for {
			info("waiting for the server")
			time.Sleep(20 * time.Millisecond)
		}
	}
	return change(folder, func(w *world) error {
		for _, c := range w.Containers {
			if c.Labels["k3d.cluster"] == name {
				c.State = "running"
			}
		}
		return w.removeContainers([]string{"k3d-" + name + "-tools"})
	})
}

// createNode makes an agent. It gets none of the others' labels but k3d's own.
func createNode(folder, name, cluster string, labels []string) error {
	return change(folder, func(w *world) error {
		if w.find(name) != nil {
			return fmt.Errorf("the container name %s is already in use", name)
		}
		all := map[string]string{"app": "k3d", "k3d.cluster": cluster, "k3d.role": "agent"}
		for _, label := range labels {
			key, value, _ := strings.Cut(label, "=")
			all[key] = value
		}
		if os.Getenv("FAKE_NODE") == "fail" {
			w.run(name, "created", all)
			return errors.New("failed to run node: no space left on device")
		}
		w.run(name, "running", all)
		w.Nodes = append(w.Nodes, name)
		return nil
	})
}

// nodesOf gives the nodes of a cluster in the order in which k3d creates them.
func nodesOf(name string, agents int) []container {
	node := func(suffix, role string) container {
		return container{
			Name:   "k3d-" + name + "-" + suffix,
			Labels: map[string]string{"app": "k3d", "k3d.cluster": name, "k3d.role": role},
		}
	}
	nodes := []container{node("server-0", "server")}
	for i := range agents {
		nodes = append(nodes, node(fmt.Sprintf("agent-%d", i), "agent"))
	}
	return append(nodes, node("serverlb", "loadbalancer"))
}

func info(message string) {
	fmt.Printf("time=\"2026-01-02T03:04:05Z\" level=info msg=%q\n", message)
}
