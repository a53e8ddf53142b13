package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// defaultIdle is how long a connection may be silent in both directions, as k3d's own proxy has it.
const defaultIdle = 600 * time.Second

// port is one port that the load balancer listens on.
type port struct {
	number   uint16
	protocol string // "tcp" or "udp"
}

func (p port) String() string { return fmt.Sprintf("%d.%s", p.number, p.protocol) }

// config is what the values file asks for.
type config struct {
	hosts map[port][]string // at least one per port
	idle  time.Duration
}

// parseConfig reads a values file. All of its problems are in the one error.
func parseConfig(text []byte) (config, error) {
	var values struct {
		Ports    map[string][]string `json:"ports"`
		Settings struct {
			DefaultProxyTimeout int `json:"defaultProxyTimeout"` // seconds; 0 = the default
		} `json:"settings"`
	}
	if err := yaml.Unmarshal(text, &values); err != nil {
		return config{}, err
	}
	var problems []error
	c := config{hosts: map[port][]string{}, idle: defaultIdle}
	if seconds := values.Settings.DefaultProxyTimeout; seconds != 0 {
		c.idle = time.Duration(seconds) * time.Second
	}
	if c.idle < 0 {
		problems = append(problems, fmt.Errorf("settings.defaultProxyTimeout is %v, want at least 1s", c.idle))
	}
	if len(values.Ports) == 0 {
		problems = append(problems, errors.New("ports is empty, want entries like `80.tcp: [host]`"))
	}
	for name, hosts := range values.Ports {
		p, err := parsePort(name)
		if err == nil && (len(hosts) == 0 || slices.Contains(hosts, "")) {
			err = fmt.Errorf("hosts are %q, want at least one and none empty", hosts)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("ports: %q: %w", name, err))
			continue
		}
		c.hosts[p] = hosts
	}
	return c, errors.Join(problems...)
}

func parsePort(name string) (port, error) {
	number, protocol, _ := strings.Cut(name, ".")
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 || (protocol != "tcp" && protocol != "udp") {
		return port{}, errors.New("want a port from 1 to 65535 with its protocol, like 80.tcp or 53.udp")
	}
	return port{number: uint16(n), protocol: protocol}, nil
}
