package dataplane

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"

	"k8s.io/apimachinery/pkg/labels"
)

// envoyClusters reads the clusters of the proxies themselves, over the
// connections of a fleet.
type envoyClusters struct{ fleet *clusterFleet }

func (e envoyClusters) list(ctx context.Context) ([]proxy, error) {
	pods, err := e.fleet.client.Pods(ctx, "", "")
	if err != nil {
		return nil, err
	}
	return proxiesOf(pods, labels.Nothing()), nil
}

func (e envoyClusters) held(ctx context.Context, p proxy) (held, error) {
	app := e.fleet.app
	query := url.Values{"resource": {"dynamic_active_clusters"}, "name_regex": {app.clusterNames()}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/config_dump?"+query.Encode(), nil)
	if err != nil {
		return held{}, err
	}
	resp, err := e.fleet.link(p).http.Do(req)
	if err != nil {
		return held{}, readError(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return held{}, fmt.Errorf("envoy answers %s", resp.Status)
	}
	body := io.LimitReader(resp.Body, maxDump)
	h, err := parseClusters(body, app)
	if err != nil {
		return held{}, err
	}
	_, _ = io.Copy(io.Discard, body) // to the end, so that the connection can be kept
	return h, nil
}

// clusterNames matches Istio's names of the app's clusters, so that Envoy dumps
// no others.
func (a App) clusterNames() string {
	return `outbound\|80\|[a-z]*\|` + regexp.QuoteMeta(a.Name+"."+a.Namespace+".svc.") + `.*`
}

// parseClusters reads Envoy's dump of its active clusters.
func parseClusters(dump io.Reader, app App) (held, error) {
	var parsed struct {
		Configs []struct {
			Cluster struct {
				Name string `json:"name"`
			} `json:"cluster"`
		} `json:"configs"`
	}
	if err := json.NewDecoder(dump).Decode(&parsed); err != nil {
		return held{}, fmt.Errorf("cluster dump: %w", err)
	}
	var h held
	for _, config := range parsed.Configs {
		subset, ours := app.subset(config.Cluster.Name)
		if !ours {
			continue
		}
		switch subset {
		case "":
			h.service = true
		case Stable:
			h.stable = true
		case Canary:
			h.canary = true
		}
	}
	return h, nil
}
