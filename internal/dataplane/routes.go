package dataplane

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// served is what one proxy does with requests for the app.
type served struct {
	host   bool    // it has a virtual host for the app's external host
	mesh   bool    // it has a virtual host for the app's Service
	splits []Split // the distinct splits of its routes; normally one
	odd    string  // a route that is no split between the subsets: what it is instead
	// foreign is another VirtualService that a route comes from, as namespace/name.
	foreign string
}

// present reports whether the proxy serves the app at all.
func (s served) present() bool { return s.host || s.mesh }

// holds reports whether everything the proxy does for the app is this split.
func (s served) holds(split Split) bool {
	return s.present() && s.odd == "" && len(s.splits) > 0 &&
		!slices.ContainsFunc(s.splits, func(have Split) bool { return !have.Equal(split) })
}

func (s served) String() string {
	if !s.present() {
		return "has no route for the app"
	}
	var parts []string
	for _, split := range s.splits {
		parts = append(parts, "serves "+split.String())
	}
	if s.odd != "" {
		parts = append(parts, s.odd)
	}
	says := strings.Join(parts, " and ")
	if s.foreign != "" {
		says += " (with a route of VirtualService " + s.foreign + ")"
	}
	return says
}

// routeDump is the part that matters of Envoy's answer to
// /config_dump?resource=dynamic_route_configs.
type routeDump struct {
	Configs []struct {
		RouteConfig struct {
			VirtualHosts []virtualHost `json:"virtual_hosts"`
		} `json:"route_config"`
	} `json:"configs"`
}

type virtualHost struct {
	Domains []string `json:"domains"`
	Routes  []struct {
		Route *struct {
			Cluster  string `json:"cluster"`
			Weighted *struct {
				Clusters []weightedCluster `json:"clusters"`
			} `json:"weighted_clusters"`
		} `json:"route"`
		Metadata struct {
			FilterMetadata struct {
				Istio struct {
					Config string `json:"config"` // the path of the object that the route comes from
				} `json:"istio"`
			} `json:"filter_metadata"`
		} `json:"metadata"`
	} `json:"routes"`
}

type weightedCluster struct {
	Name   string `json:"name"`
	Weight uint32 `json:"weight"` // Envoy leaves out a zero
}

// parseRoutes reads Envoy's dump of its dynamic routes. An answer without any
// route for the app is not an error.
func parseRoutes(dump io.Reader, app App) (served, error) {
	var parsed routeDump
	decoder := json.NewDecoder(dump)
	if err := decoder.Decode(&parsed); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return served{}, fmt.Errorf("route dump: %w", err)
	}
	var s served
	for _, config := range parsed.Configs {
		for _, host := range config.RouteConfig.VirtualHosts {
			if err := s.add(host, app); err != nil {
				return served{}, fmt.Errorf("route dump: %w", err)
			}
		}
	}
	return s, nil
}

func (s *served) add(vhost virtualHost, app App) error {
	external, service := false, false
	for _, domain := range vhost.Domains {
		domain = withoutPort(domain)
		external = external || (app.Host != "" && strings.EqualFold(domain, app.Host))
		service = service || app.isService(domain)
	}
	if !external && !service {
		return nil
	}
	s.host = s.host || external
	s.mesh = s.mesh || service
	if len(vhost.Routes) == 0 {
		s.odd = "answers without a route"
	}
	for _, route := range vhost.Routes {
		if from := virtualServiceOf(route.Metadata.FilterMetadata.Istio.Config); from != "" && from != app.Namespace+"/"+app.Name {
			s.foreign = from
		}
		switch {
		case route.Route == nil:
			s.odd = "answers by itself (redirect or direct response)"
		case route.Route.Weighted != nil:
			if err := s.addClusters(route.Route.Weighted.Clusters, app); err != nil {
				return err
			}
		default:
			if err := s.addClusters([]weightedCluster{{Name: route.Route.Cluster, Weight: 1}}, app); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *served) addClusters(clusters []weightedCluster, app App) error {
	var stable, canary uint64
	for _, cluster := range clusters {
		switch subset, ours := app.subset(cluster.Name); {
		case cluster.Weight == 0:
		case ours && subset == Stable:
			stable += uint64(cluster.Weight)
		case ours && subset == Canary:
			canary += uint64(cluster.Weight)
		case ours && subset == "":
			s.odd = "serves all pods alike, without a split"
			return nil
		default:
			s.odd = fmt.Sprintf("sends to %q", cluster.Name)
			return nil
		}
	}
	if stable > math.MaxInt32 || canary > math.MaxInt32 {
		return fmt.Errorf("weights %d/%d are out of range 0..%d", stable, canary, math.MaxInt32)
	}
	split := Split{Stable: int32(stable), Canary: int32(canary)}
	if !split.valid() {
		s.odd = "serves no subset (no weights)"
		return nil
	}
	if !slices.ContainsFunc(s.splits, split.Equal) {
		s.splits = append(s.splits, split)
	}
	return nil
}

// virtualServiceOf takes apart the path that Istio writes into a route's metadata,
// /apis/networking.istio.io/v1/namespaces/NAMESPACE/virtual-service/NAME; "" when
// it is none.
func virtualServiceOf(path string) string {
	_, object, _ := strings.Cut(path, "/namespaces/")
	namespace, name, found := strings.Cut(object, "/virtual-service/")
	if !found {
		return ""
	}
	return namespace + "/" + name
}

// subset takes Istio's cluster name apart: outbound|80|canary|host. ours says
// whether it leads to the app's Service.
func (a App) subset(cluster string) (subset string, ours bool) {
	parts := strings.Split(cluster, "|")
	if len(parts) != 4 || parts[0] != "outbound" || !a.isService(parts[3]) {
		return "", false
	}
	return parts[2], true
}

// withoutPort cuts ":80" and ":*" off a domain of a virtual host.
func withoutPort(domain string) string {
	if i := strings.LastIndexByte(domain, ':'); i >= 0 && !strings.HasSuffix(domain, "]") {
		return domain[:i]
	}
	return domain
}
