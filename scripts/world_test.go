package scripts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// world is what the fake Docker engine has. The fakes are separate processes, so it is kept in a file.
type world struct {
	Containers []*container
	Networks   []*thing
	Volumes    []*thing
	Images     []string
	NextID     int

	Nodes      []string // that the API server knows
	Cordoned   []string // the nodes that get no pods
	Leaving    []string // the nodes with the label of those that are drained to be removed
	Balanced   string   // the file of the load balancer
	Balancings int      // how often it was taken on
	Log        []string // of what was done to the cluster
}

type container struct {
	ContainerID, Name, State string
	Labels                   map[string]string
	Ports                    []int
}

// thing is a network, with the containers that are attached to it, or a volume.
type thing struct {
	Name     string
	Labels   map[string]string
	Attached []string
}

// The names that `docker ps --format` knows.
func (c *container) ID() string              { return c.ContainerID }
func (c *container) Names() string           { return c.Name }
func (c *container) Label(key string) string { return c.Labels[key] }

func (w *world) run(name, state string, labels map[string]string, ports ...int) {
	w.NextID++
	w.Containers = append(w.Containers, &container{
		ContainerID: fmt.Sprintf("%064x", w.NextID), Name: name, State: state, Labels: labels, Ports: ports,
	})
}

func (w *world) find(name string) *container {
	for _, c := range w.Containers {
		if c.Name == name || c.ContainerID == name {
			return c
		}
	}
	return nil
}

func (w *world) network(name string) *thing {
	for _, n := range w.Networks {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// networksOf are the networks of a container; every one of the fake has Docker's own.
func (w *world) networksOf(c *container) []string {
	networks := []string{"bridge"}
	for _, n := range w.Networks {
		if slices.Contains(n.Attached, c.Name) {
			networks = append(networks, n.Name)
		}
	}
	return networks
}

// everything lists what exists, for comparison.
func (w *world) everything() []string {
	var all []string
	for _, c := range w.Containers {
		all = append(all, "container "+c.Name)
	}
	for _, n := range w.Networks {
		all = append(all, "network "+n.Name)
	}
	for _, v := range w.Volumes {
		all = append(all, "volume "+v.Name)
	}
	slices.Sort(all)
	return all
}

// change lets one process at a time read and change the world kept in folder. What it did before it failed stays.
func change(folder string, with func(*world) error) error {
	lock, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	file := filepath.Join(folder, "world.json")
	w := &world{}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, w)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	failed := with(w)
	text, err = json.Marshal(w)
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	return errors.Join(failed, err)
}

// flags splits a command line: values by flag name, and the rest.
func flags(args []string, switches ...string) (values map[string][]string, rest []string) {
	values = map[string][]string{}
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--":
			return values, append(rest, args[i+1:]...)
		case slices.Contains(switches, args[i]):
			values[args[i]] = append(values[args[i]], "true")
		case strings.HasPrefix(args[i], "--"):
			values[args[i]] = append(values[args[i]], args[i+1])
			i++
		default:
			rest = append(rest, args[i])
		}
	}
	return values, rest
}

// labelled tells whether labels satisfy every filter label=key=value; other filters are the caller's.
func labelled(labels map[string]string, filters []string) bool {
	for _, filter := range filters {
		if wanted, ok := strings.CutPrefix(filter, "label="); ok {
			key, value, _ := strings.Cut(wanted, "=")
			if got, there := labels[key]; !there || got != value {
				return false
			}
		}
	}
	return true
}

// number reads a number from the environment of a fake; otherwise is for when there is none.
func number(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return otherwise
}
