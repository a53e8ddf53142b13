package envoy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"

	"canary/internal/release"
)

// Clusters is what a proxy holds of the app.
type Clusters struct{ Service, Stable, Canary bool }

// Both reports whether the proxy holds both subsets.
func (c Clusters) Both() bool { return c.Stable && c.Canary }

func (c Clusters) String() string {
	switch {
	case c.Stable:
		return "holds stable alone"
	case c.Canary:
		return "holds canary alone"
	case c.Service:
		return "holds the Service without its subsets"
	}
	return "holds nothing of the app"
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
				Name string `json:"name"`
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
		case release.Stable:
			c.Stable = true
		case release.Canary:
			c.Canary = true
		}
	}
	return c, nil
}
