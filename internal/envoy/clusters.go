package envoy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"

	"canary/internal/release"
)

// Clusters is what a proxy holds of the app.
type Clusters struct {
	Service, Stable, Canary bool
	// Foreign is another DestinationRule that the Service's cluster is made by, as
	// namespace/name.
	Foreign string
}

// Both reports whether the proxy holds both subsets.
func (c Clusters) Both() bool { return c.Stable && c.Canary }

func (c Clusters) String() string {
	says := "holds nothing of the app"
	switch {
	case c.Both():
		says = "holds both subsets"
	case c.Stable:
		says = "holds stable alone"
	case c.Canary:
		says = "holds canary alone"
	case c.Service:
		says = "holds the Service without its subsets"
	}
	if c.Foreign != "" {
		says += " (by DestinationRule " + c.Foreign + ")"
	}
	return says
}

// Missing are the subsets that get requests by some splits and that the proxy does
// not hold: it answers those requests with 503.
func (c Clusters) Missing(splits ...release.Split) []string {
	var missing []string
	if !c.Stable && slices.ContainsFunc(splits, func(s release.Split) bool { return s.Stable > 0 }) {
		missing = append(missing, release.Stable)
	}
	if !c.Canary && slices.ContainsFunc(splits, func(s release.Split) bool { return s.Canary > 0 }) {
		missing = append(missing, release.Canary)
	}
	return missing
}

// Clusters asks a proxy for the active clusters of the app.
func (a *Admin) Clusters(ctx context.Context, p Proxy) (Clusters, error) {
	var c Clusters
	err := a.dump(ctx, p, "dynamic_active_clusters", clusterNames(a.app), func(body io.Reader) (err error) {
		c, err = parseClusters(body, a.app)
		return err
	})
	return c, err
}

// clusterNames matches Istio's names of the app's clusters, so that Envoy dumps
// no others.
func clusterNames(app release.App) string {
	return `outbound\|80\|[a-z]*\|` + regexp.QuoteMeta(app.Name+"."+app.Namespace+".svc.") + `.*`
}

// parseClusters reads Envoy's dump of its active clusters.
func parseClusters(dump io.Reader, app release.App) (Clusters, error) {
	var parsed struct {
		Configs []struct {
			Cluster struct {
				Name     string        `json:"name"`
				Metadata istioMetadata `json:"metadata"`
			} `json:"cluster"`
		} `json:"configs"`
	}
	if err := json.NewDecoder(dump).Decode(&parsed); err != nil {
		return Clusters{}, fmt.Errorf("cluster dump: %w", err)
	}
	var c Clusters
	for _, config := range parsed.Configs {
		subset, ours := subsetOf(app, config.Cluster.Name)
		if !ours {
			continue
		}
		switch subset {
		case "":
			c.Service = true
			if rule := config.Cluster.Metadata.object("destination-rule"); rule != app.Namespace+"/"+app.Name {
				c.Foreign = rule
			}
		case release.Stable:
			c.Stable = true
		case release.Canary:
			c.Canary = true
		}
	}
	return c, nil
}
