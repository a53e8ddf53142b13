package scripts

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// fakeDocker does what the scripts use of docker. FAKE_ENGINE=down: no engine answers. FAKE_API=down: the cluster's API
// server does not. FAKE_ENGINE_ID: the engine's id and host. FAKE_MEMORY: its memory. FAKE_HOST: where docker finds it.
// FAKE_DATA: its host and the folder of its data. FAKE_RUN=fail: no container is run or started; =end: it ends
// as soon as it runs. FAKE_STUCK=1: containers cannot be removed. FAKE_SLOW=1: that takes a while. FAKE_DRAIN=fail: nodes
// cannot be drained. FAKE_BALANCER=stuck: the load balancer does not take on its file.
func fakeDocker(folder string, args []string) error {
	if os.Getenv("FAKE_ENGINE") == "down" {
		return errors.New("cannot connect to the Docker daemon at unix:///var/run/docker.sock: is it running?")
	}
	command := args[0]
	if slices.Contains([]string{"network", "volume", "image", "container", "context"}, command) {
		command += " " + args[1]
		args = args[1:]
	}
	values, rest := map[string][]string{}, args[1:]
	if command != "exec" {
		values, rest = flags(args[1:], "--all", "--quiet", "--no-trunc", "--force", "--volumes", "--detach")
	}
	if command == "rm" && os.Getenv("FAKE_SLOW") != "" {
		time.Sleep(500 * time.Millisecond)
	}
	return change(folder, func(w *world) error {
		switch command {
		case "version":
			fmt.Println("28.0.0")
			return nil
		case "info":
			switch format := values["--format"][0]; {
			case strings.Contains(format, "MemTotal"):
				fmt.Println(os.Getenv("FAKE_MEMORY"))
			case strings.Contains(format, "DockerRootDir"):
				fmt.Println(os.Getenv("FAKE_DATA"))
			default:
				fmt.Println(os.Getenv("FAKE_ENGINE_ID"))
			}
			return nil
		case "context inspect":
			fmt.Println(os.Getenv("FAKE_HOST"))
			return nil
		case "ps":
			return w.ps(values)
		case "rm":
			return w.removeContainers(rest)
		case "exec":
			if c := w.find(rest[0]); c == nil || c.State != "running" || os.Getenv("FAKE_API") == "down" {
				return fmt.Errorf("exec in %s failed", rest[0])
			}
			return w.kubectl(rest[2:])
		case "container inspect":
			if w.find(rest[0]) == nil {
				return fmt.Errorf("no such container: %s", rest[0])
			}
			return nil
		case "cp":
			return w.copyBalanced(rest[0], rest[1])
		case "logs":
			for range w.Balancings {
				fmt.Fprintln(os.Stderr, "start worker processes")
			}
			return nil
		case "image inspect":
			if !slices.Contains(w.Images, rest[0]) {
				return fmt.Errorf("no such image: %s", rest[0])
			}
			return nil
		case "volume ls":
			return list(w.Volumes, values["--filter"])
		case "volume rm":
			return remove(&w.Volumes, rest)
		case "network ls":
			return list(w.Networks, values["--filter"])
		case "run":
			return w.runContainer(values)
		case "start":
			c := w.find(rest[0])
			if c == nil || os.Getenv("FAKE_RUN") == "fail" {
				return fmt.Errorf("cannot start %s", rest[0])
			}
			c.State = "running"
			return nil
		case "network connect":
			n, c := w.network(rest[0]), w.find(rest[1])
			if n == nil || c == nil || slices.Contains(n.Attached, c.Name) {
				return fmt.Errorf("cannot connect %s to %s", rest[1], rest[0])
			}
			n.Attached = append(n.Attached, c.Name)
			return nil
		case "network disconnect":
			n, c := w.network(rest[0]), w.find(rest[1])
			n.Attached = slices.DeleteFunc(n.Attached, func(name string) bool { return name == c.Name })
			return nil
		case "network rm":
			return remove(&w.Networks, rest)
		}
		return fmt.Errorf("the fake docker does not know %q", command)
	})
}

// kubectl does what the scripts ask of the API server.
func (w *world) kubectl(args []string) error {
	switch strings.Join(args[:2], " ") {
	case "get --raw":
		return nil
	case "get nodes":
		nodes := w.Nodes
		if slices.Contains(args, "--selector") {
			nodes = w.Leaving
		}
		for _, node := range nodes {
			fmt.Println("node/" + node)
		}
		return nil
	case "label --overwrite":
		w.Leaving = append(w.Leaving, args[3])
		return nil
	case "get deployments":
		fmt.Println("istio-system istio-ingressgateway")
		return nil
	case "delete node":
		w.Nodes = slices.DeleteFunc(w.Nodes, func(one string) bool { return one == args[2] })
		w.uncordon(args[2])
		w.stay(args[2])
	}
	switch args[0] {
	case "label":
		w.stay(strings.TrimPrefix(args[1], "node/"))
		return nil
	case "drain":
		w.Cordoned = append(w.Cordoned, args[1])
		if os.Getenv("FAKE_DRAIN") == "fail" {
			fmt.Fprintln(os.Stderr, "evicting pod app/app-0")
			return errors.New("cannot evict pod app-0: global timeout reached: 5m0s")
		}
	case "uncordon":
		w.uncordon(args[1])
	}
	w.Log = append(w.Log, strings.Join(args, " "))
	return nil
}

func (w *world) stay(node string) {
	w.Leaving = slices.DeleteFunc(w.Leaving, func(one string) bool { return one == node })
}

func (w *world) uncordon(node string) {
	w.Cordoned = slices.DeleteFunc(w.Cordoned, func(one string) bool { return one == node })
}

// copyBalanced copies the file of the load balancer out of its container, or into it.
func (w *world) copyBalanced(from, to string) error {
	const file = "-serverlb:/etc/confd/values.yaml"
	if strings.HasSuffix(from, file) {
		return os.WriteFile(to, []byte(w.Balanced), 0o600)
	}
	text, err := os.ReadFile(from)
	w.Balanced = string(text)
	w.Log = append(w.Log, "balanced")
	if os.Getenv("FAKE_BALANCER") != "stuck" {
		w.Balancings++
	}
	if !strings.HasSuffix(to, file) {
		return fmt.Errorf("no such path: %s", to)
	}
	return err
}

func (w *world) ps(values map[string][]string) error {
	format := "{{.ID}}"
	if values["--format"] != nil {
		format = values["--format"][0]
	}
	line, err := template.New("ps").Parse(format + "\n")
	if err != nil {
		return err
	}
	for _, c := range w.Containers {
		shown := values["--all"] != nil || c.State == "running"
		for _, filter := range values["--filter"] {
			if port, ok := strings.CutPrefix(filter, "publish="); ok {
				published, err := strconv.Atoi(port)
				shown = shown && err == nil && slices.Contains(c.Ports, published)
			}
			if pattern, ok := strings.CutPrefix(filter, "name="); ok {
				matches, err := regexp.MatchString(pattern, c.Name)
				shown = shown && err == nil && matches
			}
			if network, ok := strings.CutPrefix(filter, "network="); ok {
				shown = shown && slices.Contains(w.networksOf(c), network)
			}
		}
		if shown && labelled(c.Labels, values["--filter"]) {
			if err := line.Execute(os.Stdout, struct {
				*container
				Networks string
			}{c, strings.Join(w.networksOf(c), ",")}); err != nil {
				return err
			}
		}
	}
	return nil
}

// runContainer makes a container that runs, and its volume.
func (w *world) runContainer(values map[string][]string) error {
	name := values["--name"][0]
	if os.Getenv("FAKE_RUN") == "fail" {
		return errors.New("no such host")
	}
	if w.find(name) != nil {
		return fmt.Errorf("the name %s is in use", name)
	}
	labels := map[string]string{}
	for _, label := range values["--label"] {
		key, value, _ := strings.Cut(label, "=")
		labels[key] = value
	}
	state := "running"
	if os.Getenv("FAKE_RUN") == "end" {
		state = "restarting"
	}
	w.run(name, state, labels)
	volume, _, _ := strings.Cut(values["--volume"][0], ":")
	if !slices.ContainsFunc(w.Volumes, func(one *thing) bool { return one.Name == volume }) {
		w.Volumes = append(w.Volumes, &thing{Name: volume})
	}
	return nil
}

func (w *world) removeContainers(names []string) error {
	if os.Getenv("FAKE_STUCK") != "" {
		return errors.New("container is stuck")
	}
	for _, name := range names {
		c := w.find(name)
		if c == nil {
			return fmt.Errorf("no such container: %s", name)
		}
		w.Containers = slices.DeleteFunc(w.Containers, func(one *container) bool { return one == c })
		for _, n := range w.Networks {
			n.Attached = slices.DeleteFunc(n.Attached, func(one string) bool { return one == c.Name })
		}
	}
	return nil
}

func list(things []*thing, filters []string) error {
	for _, one := range things {
		shown := labelled(one.Labels, filters)
		for _, filter := range filters {
			if pattern, ok := strings.CutPrefix(filter, "name="); ok {
				matches, err := regexp.MatchString(pattern, one.Name)
				if err != nil {
					return err
				}
				shown = shown && matches
			}
		}
		if shown {
			fmt.Println(one.Name)
		}
	}
	return nil
}

func remove(things *[]*thing, names []string) error {
	for _, name := range names {
		i := slices.IndexFunc(*things, func(one *thing) bool { return one.Name == name })
		if i < 0 {
			return fmt.Errorf("no such thing: %s", name)
		}
		if attached := (*things)[i].Attached; len(attached) > 0 {
			return fmt.Errorf("%s has active endpoints: %s", name, attached)
		}
		*things = slices.Delete(*things, i, i+1)
	}
	return nil
}
