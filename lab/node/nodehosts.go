package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
)

const (
	dnsConfigsPath = "/api/v1/namespaces/kube-system/configmaps"
	dnsConfigPath  = dnsConfigsPath + "/coredns"
)

// syncNodeHosts keeps every node's name in the hosts file of the cluster's DNS.
func syncNodeHosts(ctx context.Context, client *api) error {
	nodes, err := client.nodes(ctx)
	if err != nil {
		return err
	}
	var configMap struct{ Data map[string]string }
	err = client.get(ctx, dnsConfigPath, &configMap)
	var status *statusError
	if errors.As(err, &status) && status.code == 404 {
		return nil // not deployed yet: its creation is a change that is watched
	}
	if err != nil {
		return err
	}
	merged := mergeNodeHosts(configMap.Data["NodeHosts"], nodes)
	if merged == configMap.Data["NodeHosts"] {
		return nil
	}
	return client.merge(ctx, dnsConfigPath, map[string]any{"data": map[string]string{"NodeHosts": merged}})
}

// mergeNodeHosts gives a hosts file with one line per node after those of the given one that are
// about other names, such as host.k3d.internal, which k3d writes.
func mergeNodeHosts(hosts string, nodes []nodeObject) string {
	nodes = slices.DeleteFunc(slices.Clone(nodes), func(o nodeObject) bool { return o.address() == "" })
	slices.SortFunc(nodes, func(a, b nodeObject) int { return cmp.Compare(a.Metadata.Name, b.Metadata.Name) })
	var lines []string
	for line := range strings.Lines(hosts) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		names := slices.DeleteFunc(words[1:], func(name string) bool {
			return slices.ContainsFunc(nodes, func(o nodeObject) bool { return o.Metadata.Name == name })
		})
		if len(names) > 0 {
			lines = append(lines, words[0]+" "+strings.Join(names, " "))
		}
	}
	for _, o := range nodes {
		lines = append(lines, o.address()+" "+o.Metadata.Name)
	}
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}
