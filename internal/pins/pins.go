// Package pins holds the versions of everything that the project fetches by name. They are written once,
// in pins.env, which the shell scripts source and this package embeds.
package pins

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed pins.env
var file string

var values = parse(file)

var (
	// K3sImage is the image of the k3d cluster's nodes.
	K3sImage = get("K3S_IMAGE")
	// RegistryImage is the image of the k3d cluster's registry.
	RegistryImage = get("REGISTRY_IMAGE")
	// NginxImage is the image of the example app.
	NginxImage = get("NGINX_IMAGE")
	// IstioVersion is the version of Istio's charts, and the tag of its images.
	IstioVersion = get("ISTIO_VERSION")
	// IstioChartRepository is the Helm repository that publishes Istio's charts.
	IstioChartRepository = get("ISTIO_CHART_REPOSITORY")
	// IstioHub is the registry and folder that publishes Istio's images.
	IstioHub = get("ISTIO_HUB")
	// PulumiVersion is the version of the Pulumi CLI, without a leading v.
	PulumiVersion = get("PULUMI_VERSION")
	// K3dVersion is the version of k3d, without a leading v.
	K3dVersion = get("K3D_VERSION")
)

// parse reads KEY=value lines; empty lines and lines that start with # are skipped. The file is part of
// the program, so a line of another form is a programming error: it panics.
func parse(text string) map[string]string {
	parsed := map[string]string{}
	for number, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, found := strings.Cut(line, "=")
		if !found || key == "" || value == "" {
			panic(fmt.Sprintf("pins.env line %d: found %q, allowed is KEY=value", number+1, line))
		}
		if _, twice := parsed[key]; twice {
			panic(fmt.Sprintf("pins.env line %d: %s is set twice", number+1, key))
		}
		parsed[key] = value
	}
	return parsed
}

func get(key string) string {
	value, found := values[key]
	if !found {
		panic("pins.env: " + key + " is missing")
	}
	return value
}
