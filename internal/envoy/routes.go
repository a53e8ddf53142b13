package envoy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"canary/internal/release"
)

// Routes is what one proxy does with requests for the app.
type Routes struct {
	Host   bool            // it has a virtual host for one of the app's external hosts
	Lacks  []string        // with Host: the external hosts for which it has none
	Mesh   bool            // it has a virtual host for the app's Service
	Splits []release.Split // the distinct splits of its routes; normally one
	Odd    string          // a route that is no split between the subsets: what it is instead
	// Foreign is another VirtualService that a route comes from, as namespace/name, and
	// ForeignHosts are the external hosts for which it has one; none: for the Service.
	Foreign      string
	ForeignHosts []string
	// Extras are the distinct ones of its virtual hosts; none when none has any.
	Extras []release.Extras
	// Wanted are those that it is to have; nil when that does not count.
	Wanted *release.Extras
	// Clusters is what the routes can lead to; nil when that was not looked at.
	Clusters *Clusters
}

// Present reports whether the proxy serves the app at all.
func (s Routes) Present() bool { return s.Host || s.Mesh }

// Missing are the subsets that the routes lead to and the proxy does not hold.
func (s Routes) Missing() []string {
	if s.Clusters == nil {
		return nil
	}
	return s.Clusters.Missing(s.Splits...)
}

// differs says what it does beside the split otherwise than wanted.
func (s Routes) differs() string {
	if s.Wanted == nil {
		return ""
	}
	have := s.Extras
	if have == nil {
		have = []release.Extras{{}}
	}
	for _, extras := range have {
		if text := extras.Differs(*s.Wanted); text != "" {
			return text
		}
	}
	return ""
}

// Holds reports whether everything the proxy does for the app is this split.
func (s Routes) Holds(split release.Split) bool {
	return s.Present() && s.Odd == "" && len(s.Splits) > 0 && len(s.Missing()) == 0 && s.differs() == "" &&
		!slices.ContainsFunc(s.Splits, func(have release.Split) bool { return !have.Equal(split) })
}

func (s Routes) String() string {
	if !s.Present() {
		return "has no route for the app"
	}
	var parts []string
	for _, split := range s.Splits {
		parts = append(parts, "serves "+split.String())
	}
	if s.Odd != "" {
		parts = append(parts, s.Odd)
	}
	if differs := s.differs(); differs != "" {
		parts = append(parts, differs)
	}
	says := strings.Join(parts, " and ")
	if s.Foreign != "" {
		says += " (with a route of VirtualService " + s.Foreign + ")"
	}
	if missing := s.Missing(); len(missing) > 0 {
		says += " and answers 503 for " + strings.Join(missing, " and ") + ", since it " + s.Clusters.String()
	}
	return says
}

// routeDump is the part that matters of Envoy's answer to
// /config_dump?resource=dynamic_route_configs.
type routeDump struct {
	Configs []struct {
		RouteConfig struct {
			Name         string        `json:"name"`
			VirtualHosts []virtualHost `json:"virtual_hosts"`
		} `json:"route_config"`
	} `json:"configs"`
}

type virtualHost struct {
	Domains    []string `json:"domains"`
	RequireTLS string   `json:"require_tls"` // Envoy leaves out NONE
	Routes     []struct {
		Match struct {
			Headers []headerMatch `json:"headers"`
		} `json:"match"`
		Route    *routeAction `json:"route"`
		Redirect *struct {
			Scheme string `json:"scheme_redirect"`
		} `json:"redirect"`
		Metadata istioMetadata `json:"metadata"`
	} `json:"routes"`
}

// redirects reports whether all requests are redirected to HTTPS.
func (v virtualHost) redirects() bool {
	for _, route := range v.Routes {
		if route.Redirect == nil || route.Redirect.Scheme != "https" {
			return v.RequireTLS != ""
		}
	}
	return v.RequireTLS != "" || len(v.Routes) > 0
}

// istioMetadata is what Istio writes beside what it makes.
type istioMetadata struct {
	FilterMetadata struct {
		Istio struct {
			// Config is the path of the object that something is made by:
			// /apis/networking.istio.io/v1/namespaces/NAMESPACE/virtual-service/NAME.
			Config string `json:"config"`
		} `json:"istio"`
	} `json:"filter_metadata"`
}

// object is the namespace/name of the object when it is of the kind, else "".
func (m istioMetadata) object(kind string) string {
	_, object, _ := strings.Cut(m.FilterMetadata.Istio.Config, "/namespaces/")
	namespace, name, found := strings.Cut(object, "/"+kind+"/")
	if !found {
		return ""
	}
	return namespace + "/" + name
}

type weightedCluster struct {
	Name   string `json:"name"`
	Weight uint32 `json:"weight"` // Envoy leaves out a zero
}

// parseRoutes reads Envoy's dump of its dynamic routes. An answer without any
// route for the app is not an error.
func parseRoutes(dump io.Reader, app release.App) (Routes, error) {
	var parsed routeDump
	decoder := json.NewDecoder(dump)
	if err := decoder.Decode(&parsed); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Routes{}, fmt.Errorf("route dump: %w", err)
	}
	s := reading{app: app, served: map[string]bool{}, plain: map[string]bool{}, foreign: map[string]bool{}}
	for _, config := range parsed.Configs {
		for _, host := range config.RouteConfig.VirtualHosts {
			if err := s.add(config.RouteConfig.Name, host); err != nil {
				return Routes{}, fmt.Errorf("route dump: %w", err)
			}
		}
	}
	s.compareHosts()
	if len(s.Extras) == 1 && s.Extras[0] == (release.Extras{}) {
		s.Extras = nil
	}
	return s.Routes, nil
}

// reading is what is known of a proxy from the virtual hosts so far.
type reading struct {
	Routes
	app release.App
	// served are the external hosts with a virtual host that is to lead to the app, and
	// plain those with one for plain HTTP that is to redirect; foreign are those with a
	// route of the VirtualService Foreign.
	served, plain, foreign map[string]bool
}

// add takes in a virtual host of the named routes.
func (s *reading) add(routes string, vhost virtualHost) error {
	app, service := s.app, false
	external := map[string]bool{}
	for _, domain := range vhost.Domains {
		domain = strings.ToLower(withoutPort(domain))
		if slices.Contains(app.Hosts, domain) {
			external[domain] = true
		}
		service = service || app.IsService(domain)
	}
	if len(external) == 0 && !service {
		return nil
	}
	// Istio calls a gateway's routes for plain HTTP http.PORT.
	if len(external) > 0 && app.TLS && strings.HasPrefix(routes, "http.") {
		maps.Copy(s.plain, external)
		if !vhost.redirects() {
			s.Host, s.Odd = true, "serves HTTP without the redirect to HTTPS"
		}
		return nil
	}
	maps.Copy(s.served, external)
	s.Host = s.Host || len(external) > 0
	s.Mesh = s.Mesh || service
	switch {
	case vhost.RequireTLS != "":
		s.Odd = "redirects all requests to HTTPS"
	case len(vhost.Routes) == 0:
		s.Odd = "answers without a route"
	}
	var headers []string // by which requests reach the canary alone
	var beside []release.Extras
	for _, route := range vhost.Routes {
		if from := route.Metadata.object("virtual-service"); from != "" && from != app.Namespace+"/"+app.Name {
			if s.Foreign == "" {
				s.Foreign = from
			}
			if s.Foreign == from {
				maps.Copy(s.foreign, external)
			}
		}
		switch {
		case route.Route == nil:
			s.Odd = "answers by itself (redirect or direct response)"
			continue
		case len(route.Match.Headers) > 0 && route.Route.leadsTo(app, release.Canary):
			headers = append(headers, headerText(route.Match.Headers))
			continue
		case route.Route.Weighted != nil:
			if err := s.addClusters(route.Route.Weighted.Clusters, app); err != nil {
				return err
			}
		default:
			if err := s.addClusters([]weightedCluster{{Name: route.Route.Cluster, Weight: 1}}, app); err != nil {
				return err
			}
		}
		beside = append(beside, route.Route.extras(app))
	}
	if len(headers) > 0 && len(beside) == 0 && s.Odd == "" {
		s.Odd = "answers requests without the header " + headers[0] + " without a route"
	}
	for _, extras := range beside {
		extras.Header = strings.Join(headers, " or ")
		if !slices.Contains(s.Extras, extras) {
			s.Extras = append(s.Extras, extras)
		}
	}
	return nil
}

// compareHosts finds the external hosts that are not served as the others are. Where
// one is redirected to HTTPS, all are to be: the app's Gateway has them in one server.
func (s *reading) compareHosts() {
	if !s.Host {
		return
	}
	s.Lacks = s.hosts(s.served, false)
	s.ForeignHosts = s.hosts(s.foreign, true)
	if open := s.hosts(s.plain, false); len(s.plain) > 0 && len(open) > 0 && s.Odd == "" {
		s.Odd = "does not redirect HTTP to HTTPS for " + strings.Join(open, ", ")
	}
}

// hosts are the external hosts that are among some, or are not, in the app's order.
func (s *reading) hosts(some map[string]bool, among bool) []string {
	var hosts []string
	for _, host := range s.app.Hosts {
		if some[host] == among {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

func (s *Routes) addClusters(clusters []weightedCluster, app release.App) error {
	var stable, canary uint64
	for _, cluster := range clusters {
		switch subset, ours := subsetOf(app, cluster.Name); {
		case cluster.Weight == 0:
		case ours && subset == release.Stable:
			stable += uint64(cluster.Weight)
		case ours && subset == release.Canary:
			canary += uint64(cluster.Weight)
		case ours && subset == "":
			s.Odd = "serves all pods alike, without a split"
			return nil
		default:
			s.Odd = fmt.Sprintf("sends to %q", cluster.Name)
			return nil
		}
	}
	if stable > math.MaxInt32 || canary > math.MaxInt32 {
		return fmt.Errorf("weights %d/%d are out of range 0..%d", stable, canary, math.MaxInt32)
	}
	split := release.Split{Stable: int32(stable), Canary: int32(canary)}
	if !split.Valid() {
		s.Odd = "serves no subset (no weights)"
		return nil
	}
	if !slices.ContainsFunc(s.Splits, split.Equal) {
		s.Splits = append(s.Splits, split)
	}
	return nil
}

// withoutPort cuts ":80" and ":*" off a domain of a virtual host.
func withoutPort(domain string) string {
	if i := strings.LastIndexByte(domain, ':'); i >= 0 && !strings.HasSuffix(domain, "]") {
		return domain[:i]
	}
	return domain
}

// subsetOf takes Istio's cluster name apart: outbound|80|canary|host. ours says
// whether it leads to the app's Service.
func subsetOf(app release.App, cluster string) (subset string, ours bool) {
	parts := strings.Split(cluster, "|")
	if len(parts) != 4 || parts[0] != "outbound" || !app.IsService(parts[3]) {
		return "", false
	}
	return parts[2], true
}
