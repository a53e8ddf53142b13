package envoy

import (
	"strings"

	"canary/internal/release"
)

// routeAction is what a route does with a request.
type routeAction struct {
	Cluster  string `json:"cluster"`
	Weighted *struct {
		Clusters []weightedCluster `json:"clusters"`
		// ByHash is whether the cluster is drawn by HashPolicy.
		ByHash bool `json:"use_hash_policy"`
	} `json:"weighted_clusters"`
	Mirrors []struct {
		Cluster string `json:"cluster"`
		Share   struct {
			Value fraction `json:"default_value"`
		} `json:"runtime_fraction"`
	} `json:"request_mirror_policies"`
	HashPolicy []struct {
		Cookie struct {
			Name string `json:"name"`
		} `json:"cookie"`
	} `json:"hash_policy"`
}

// fraction is a part of a hundred, or of what else the denominator says.
type fraction struct {
	Numerator   float64 `json:"numerator"`
	Denominator string  `json:"denominator"`
}

func (f fraction) percent() float64 {
	parts := map[string]float64{"TEN_THOUSAND": 1e4, "MILLION": 1e6}[f.Denominator]
	if parts == 0 {
		parts = 100
	}
	return release.RoundPercent(100 * f.Numerator / parts)
}

// leadsTo reports whether the route leads to a subset of the app, and has no other to draw.
func (r *routeAction) leadsTo(app release.App, subset string) bool {
	to, ours := subsetOf(app, r.Cluster)
	return r.Weighted == nil && ours && to == subset
}

// extras are what the route does beside its split.
func (r *routeAction) extras(app release.App) release.Extras {
	var e release.Extras
	for _, mirror := range r.Mirrors {
		if to, ours := subsetOf(app, mirror.Cluster); ours && to == release.Canary {
			e.Mirrored += mirror.Share.Value.percent()
		}
	}
	if r.Weighted != nil && r.Weighted.ByHash && len(r.HashPolicy) > 0 {
		e.Cookie = r.HashPolicy[0].Cookie.Name
	}
	return e
}

// headerMatch is a condition on a request's header: that it is there, or has a value, or
// that neither is so.
type headerMatch struct {
	Name   string `json:"name"`
	Not    bool   `json:"invert_match"`
	String struct {
		Exact string `json:"exact"`
	} `json:"string_match"`
}

// headerText writes conditions as the configuration does.
func headerText(all []headerMatch) string {
	var texts []string
	for _, header := range all {
		text := header.Name
		if header.Not {
			text = "not " + text
		}
		if header.String.Exact != "" {
			text += "=" + header.String.Exact
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " and ")
}
