package istio

import (
	"strings"

	"canary/internal/config"
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

// charts returns all of them.
func charts(args *Args) (base, istiod, ingress, egress chart) {
	base = chart{chart: "base", name: "istio-base", key: baseKey, values: baseValues()}
	istiod = chart{chart: "istiod", name: "istiod", key: istiodKey, values: istiodValues(args.Config)}
	ingress = chart{chart: "gateway", name: "istio-ingressgateway", key: ingressKey, values: ingressValues(args.DrainSeconds)}
	egress = chart{chart: "gateway", name: "istio-egressgateway", key: egressKey, values: egressValues(args.DrainSeconds)}
	return base, istiod, ingress, egress
}

// release is the Helm release of the chart, with the user's extra values merged
// last.
func (ch chart) release(c config.Istio) releaseArgs {
	extra, _ := c.Values[ch.key].(map[string]any)
	args := releaseArgs{
		Name:       ch.name,
		Namespace:  namespace,
		Chart:      ch.chart,
		Version:    c.Version,
		Repository: &repository{URL: c.ChartRepository},
		Values:     merge(ch.values, extra),
	}
	if strings.HasPrefix(c.ChartRepository, "oci://") {
		// A registry has no index: Helm wants the chart's whole address.
		args.Chart, args.Repository = strings.TrimSuffix(c.ChartRepository, "/")+"/"+ch.chart, nil
	}
	return args
}
