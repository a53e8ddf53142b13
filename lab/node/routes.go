package main

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// routeProtocol marks the routes that this program has made.
const routeProtocol = "79"

// route leads to the pods of another node.
type route struct{ cidr, via string }

// syncRoutes makes the routes to the pods of all other nodes, and takes away those to nodes that are gone.
func (n *node) syncRoutes(ctx context.Context, client *api) error {
	nodes, err := client.nodes(ctx)
	if err != nil {
		return err
	}
	out, err := run(ctx, nil, "ip", "-4", "route", "show", "proto", routeProtocol)
	if err != nil {
		return err
	}
	wanted, current := wantedRoutes(nodes, n.name), parseRoutes(out)
	var problems []error
	for _, r := range wanted {
		if !slices.Contains(current, r) {
			_, err := run(ctx, nil, "ip", "route", "replace", r.cidr, "via", r.via, "proto", routeProtocol)
			problems = append(problems, err)
		}
	}
	for _, r := range current {
		if !slices.ContainsFunc(wanted, func(w route) bool { return w.cidr == r.cidr }) {
			_, err := run(ctx, nil, "ip", "route", "del", r.cidr, "proto", routeProtocol)
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func wantedRoutes(nodes []nodeObject, self string) []route {
	var routes []route
	for _, o := range nodes {
		if o.Metadata.Name != self && o.Spec.PodCIDR != "" && o.address() != "" {
			routes = append(routes, route{o.Spec.PodCIDR, o.address()})
		}
	}
	return routes
}

// parseRoutes reads the lines of `ip route show`, like "10.42.1.0/24 via 172.18.0.4 dev eth0".
func parseRoutes(text []byte) []route {
	var routes []route
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) >= 3 && words[1] == "via" {
			routes = append(routes, route{words[0], words[2]})
		}
	}
	return routes
}
