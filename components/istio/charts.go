package istio

import (
	"strings"

	"canary/internal/charts"
	"canary/internal/config"
	"canary/internal/mesh"
)

// chart is one of Istio's charts as this program installs it.
type chart struct {
	// chart is its name in the repository.
	chart string
	// name is that of the Helm release, and of the resource. Chart gateway derives
	// the names of its objects and their label istio from it.
	name string
	// key is where the user's extra values for it stand in istioValues.
	key string
	// values are ours.
	values map[string]any
}

// chartsOf returns all of them.
func chartsOf(args *Args) (base, istiod, ingress, egress chart) {
	base = chart{chart: "base", name: "istio-base", key: baseKey, values: baseValues()}
	istiod = chart{chart: "istiod", name: mesh.ReleaseIstiod, key: istiodKey, values: istiodValues(args.Config)}
	ingress = chart{chart: "gateway", name: mesh.ReleaseIngress, key: ingressKey, values: ingressValues(args.DrainSeconds)}
	egress = chart{chart: "gateway", name: "istio-egressgateway", key: egressKey, values: egressValues(args.DrainSeconds)}
	return base, istiod, ingress, egress
}

// isRegistry reports whether a chart repository is an OCI registry, which the
// Kubernetes provider reads itself; charts of the others are kept in a store.
func isRegistry(repository string) bool { return strings.HasPrefix(repository, "oci://") }

// release is the Helm release of the chart, with the user's extra values merged
// last.
func (ch chart) release(c config.Istio, store charts.Store) releaseArgs {
	extra, _ := c.Values[ch.key].(map[string]any)
	address := store.Path(c.ChartRepository, ch.chart, c.Version)
	if isRegistry(c.ChartRepository) {
		address = strings.TrimSuffix(c.ChartRepository, "/") + "/" + ch.chart
	}
	return releaseArgs{
		Name:      ch.name,
		Namespace: namespace,
		Chart:     address,
		Version:   c.Version,
		Values:    merge(ch.values, extra),
	}
}
