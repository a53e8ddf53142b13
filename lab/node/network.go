package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// nodeAddress is the container's IPv4 address in the cluster's network.
func nodeAddress() (string, error) {
	// Docker gives the container's first network this name.
	for _, name := range []string{"eth0", ""} {
		interfaces, err := net.Interfaces()
		if err != nil {
			return "", err
		}
		for _, i := range interfaces {
			if (name != "" && i.Name != name) || i.Flags&net.FlagLoopback != 0 || i.Flags&net.FlagUp == 0 {
				continue
			}
			addresses, err := i.Addrs()
			if err != nil {
				return "", err
			}
			for _, a := range addresses {
				if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
					return n.IP.String(), nil
				}
			}
		}
	}
	return "", errors.New("no network interface with an IPv4 address found: the container needs a network")
}

// podNetwork is the configuration of the network plugins: each pod has a link of its own to the node,
// which routes. Addresses come from the node's part of the cluster's network.
func podNetwork(podCIDR string) ([]byte, error) {
	type object map[string]any
	return json.MarshalIndent(object{
		"cniVersion": "0.4.0",
		"name":       "k3s-lab",
		"plugins": []object{
			{"type": "ptp", "ipMasq": false, "ipam": object{
				"type":   "host-local",
				"ranges": [][]object{{{"subnet": podCIDR}}},
				"routes": []object{{"dst": "0.0.0.0/0"}},
			}},
			{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	}, "", "  ")
}

// openPodNetwork lets the node forward for its pods, and hide them behind its own address outside the cluster. Packets to pods
// of a node that is not known are dropped, as flannel's are: else they leave the machine, where anybody may answer them.
func openPodNetwork(ctx context.Context) error {
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return err
	}
	if _, err := run(ctx, nil, "ip", "route", "replace", "blackhole", clusterCIDR); err != nil {
		return err
	}
	rule := []string{"POSTROUTING", "-s", clusterCIDR, "!", "-d", clusterCIDR, "-m", "comment", "--comment", "pods to outside", "-j", "MASQUERADE"}
	if _, err := run(ctx, nil, append([]string{"iptables", "-w", "-t", "nat", "-C"}, rule...)...); err == nil {
		return nil
	}
	_, err := run(ctx, nil, append([]string{"iptables", "-w", "-t", "nat", "-A"}, rule...)...)
	return err
}

// forgetAddresses frees the addresses of all pods. None runs when the container starts, while the records of
// those that ran before are kept on a volume: a pod that was deleted meanwhile would hold its address for ever.
// What the plugins keep beside the addresses stays, so that new pods do not get the most recent ones at once.
func forgetAddresses(state string) error {
	files, err := filepath.Glob(filepath.Join(state, "*", "*"))
	if err != nil {
		return err
	}
	var problems []error
	for _, file := range files {
		if net.ParseIP(filepath.Base(file)) != nil {
			problems = append(problems, os.Remove(file))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("free the addresses of pods: %w", err)
	}
	return nil
}
