package build

import (
	"os"
	"path/filepath"
	"strings"

	"canary/lab/charts"
)

// makeCharts packs Istio's charts as its release does: with the release's version, and with the hub
// and tag of the release's images.
func makeCharts(r *Recipe, n Names) error {
	src := filepath.Join(r.Of("cluster"), "charts")
	release := strings.NewReplacer(
		"hub: registry.istio.io/testing", "hub: "+n.IstioHub,
		"tag: latest", "tag: "+n.IstioVersion,
	)
	names, err := os.ReadDir(src)
	if err != nil {
		return err
	}
	var packed []charts.Chart
	for _, dir := range names {
		c, err := charts.Pack(filepath.Join(src, dir.Name()), n.IstioVersion, release.Replace, r.Out)
		if err != nil {
			return err
		}
		packed = append(packed, c)
	}
	return charts.WriteIndex(r.Out, packed)
}
