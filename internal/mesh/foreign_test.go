package mesh

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"canary/internal/kubetest"
	"canary/internal/release"
)

var exampleApp = release.App{Namespace: "shop", Name: "web", Hosts: []string{"web.example.com", "www.example.com"}}

// objects are objects of one kind, each by namespace, name, time of creation and specification.
func objects(t *testing.T, texts ...[4]string) []unstructured.Unstructured {
	t.Helper()
	var all []unstructured.Unstructured
	for _, text := range texts {
		var spec map[string]any
		require.NoError(t, json.Unmarshal([]byte(text[3]), &spec))
		all = append(all, unstructured.Unstructured{Object: map[string]any{
			"metadata": map[string]any{"namespace": text[0], "name": text[1], "creationTimestamp": text[2]}, "spec": spec,
		}})
	}
	return all
}

const (
	early  = "2026-01-01T00:00:00Z"
	middle = "2026-01-02T00:00:00Z"
	late   = "2026-01-03T00:00:00Z"
)

func TestForeignGateway(t *testing.T) {
	t.Parallel()
	own := [4]string{"shop", "web", middle, `{"selector":{"istio":"ingress"},"servers":[{"port":{"number":80,"protocol":"HTTP"},"hosts":["web.example.com"]}]}`}
	other := func(created, selector, server string) [4]string {
		return [4]string{"default", "other", created, `{"selector":` + selector + `,"servers":[` + server + `]}`}
	}
	const (
		same     = `{"istio":"ingress"}`
		redirect = `{"port":{"number":80,"protocol":"HTTP"},"tls":{"httpsRedirect":true},"hosts":`
		tcp      = `{"port":{"number":80,"protocol":"TCP"},"hosts":["*"]}`

		redirects = "Gateway default/other redirects requests for the app's host web.example.com to HTTPS: take the host out of it, or remove it"
		takes     = "Gateway default/other has taken port 80 of the ingress gateway for TCP, and is older than the app's: " +
			"take the port out of it, or remove it"
	)
	for name, tc := range map[string]struct {
		other [4]string
		want  string
	}{
		"the same host, as it is":            {other(early, same, `{"port":{"number":80,"protocol":"HTTP"},"hosts":["web.example.com"]}`), ""},
		"redirects the host":                 {other(early, same, redirect+`["a.test","Web.example.com"]}`), redirects},
		"redirects another host of it":       {other(early, same, redirect+`["www.example.com"]}`), "Gateway default/other redirects requests for the app's host www.example.com to HTTPS: take the host out of it, or remove it"},
		"redirects both hosts":               {other(early, same, redirect+`["*/www.example.com","web.example.com"]}`), "Gateway default/other redirects requests for the app's hosts web.example.com, www.example.com to HTTPS: take the hosts out of it, or remove it"},
		"a younger one redirects it too":     {other(late, same, redirect+`["*/web.example.com"]}`), redirects},
		"redirects all other hosts":          {other(early, same, redirect+`["*","*.example.com"]}`), ""},
		"redirects it for its own namespace": {other(early, same, redirect+`["./web.example.com"]}`), ""},
		"redirects it on another port":       {other(early, same, `{"port":{"number":8080,"protocol":"HTTP"},"tls":{"httpsRedirect":true},"hosts":["web.example.com"]}`), ""},
		"redirects it on another address":    {other(early, same, `{"bind":"127.0.0.1",`+redirect[1:]+`["web.example.com"]}`), ""},
		"redirects it at other pods":         {other(early, `{"istio":"egress"}`, redirect+`["web.example.com"]}`), ""},
		"redirects it at all pods":           {other(early, `{}`, redirect+`["web.example.com"]}`), redirects},
		"takes the port":                     {other(early, same, tcp), takes},
		"takes it in the same second":        {other(middle, same, tcp), takes},
		"came too late":                      {other(late, same, tcp), ""},
		"speaks HTTP/2 on it":                {other(early, same, `{"port":{"number":80,"protocol":"http2"},"hosts":["*"]}`), ""},
		"serves HTTPS":                       {other(early, same, `{"port":{"number":443,"protocol":"HTTPS"},"tls":{},"hosts":["web.example.com"]}`), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Others{gateways: decode[gatewayObject](objects(t, own, tc.other))}
			got := o.Gateway(exampleApp, labels.Set{"istio": "ingress", "app": "gate"})
			if tc.want == "" {
				require.Equal(t, Foreign{}, got)
				return
			}
			require.Equal(t, tc.want, got.String())
		})
	}
}

// An app with TLS needs port 443 as well, and redirects its own requests.
func TestForeignGatewayOfAnAppWithTLS(t *testing.T) {
	t.Parallel()
	app := exampleApp
	app.TLS = true
	own := [4]string{"shop", "web", middle, `{"selector":{"istio":"ingress"},"servers":[
		{"port":{"number":80,"protocol":"HTTP"},"tls":{"httpsRedirect":true},"hosts":["web.example.com","www.example.com"]},
		{"port":{"number":443,"protocol":"HTTPS"},"tls":{"mode":"SIMPLE"},"hosts":["web.example.com","www.example.com"]}]}`}
	const (
		has   = "Gateway default/other has the app's host www.example.com on port 443, and is older than the app's: take the host out of it, or remove it"
		takes = " of the ingress gateway for TCP, and is older than the app's: take the port out of it, or remove it"
	)
	https := func(hosts string) string {
		return `{"port":{"number":443,"protocol":"HTTPS"},"tls":{"mode":"SIMPLE"},"hosts":` + hosts + `}`
	}
	for name, tc := range map[string]struct{ created, server, want string }{
		"has a host":                   {early, https(`["a.test","*/www.example.com"]`), has},
		"has it in the same second":    {middle, https(`["www.example.com"]`), has},
		"came too late":                {late, https(`["www.example.com"]`), ""},
		"passes it through":            {early, `{"port":{"number":443,"protocol":"TLS"},"tls":{"mode":"PASSTHROUGH"},"hosts":["www.example.com"]}`, has},
		"has both hosts":               {early, https(`["www.example.com","web.example.com"]`), "Gateway default/other has the app's hosts web.example.com, www.example.com on port 443, and is older than the app's: take the hosts out of it, or remove it"},
		"has all other hosts":          {early, https(`["*","*.example.com","a.test"]`), ""},
		"has it on another port":       {early, `{"port":{"number":8443,"protocol":"HTTPS"},"tls":{},"hosts":["www.example.com"]}`, ""},
		"has it on another address":    {early, `{"bind":"127.0.0.1",` + https(`["www.example.com"]`)[1:], ""},
		"takes the port":               {early, `{"port":{"number":443,"protocol":"TCP"},"hosts":["*"]}`, "Gateway default/other has taken port 443" + takes},
		"takes the port of HTTP":       {early, `{"port":{"number":80,"protocol":"TCP"},"hosts":["*"]}`, "Gateway default/other has taken port 80" + takes},
		"takes it too late":            {late, `{"port":{"number":443,"protocol":"TCP"},"hosts":["*"]}`, ""},
		"redirects, as the app's does": {early, `{"port":{"number":80,"protocol":"HTTP"},"tls":{"httpsRedirect":true},"hosts":["www.example.com"]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Others{gateways: decode[gatewayObject](objects(t, own, [4]string{"default", "other", tc.created, `{"selector":{},"servers":[` + tc.server + `]}`}))}
			got := o.Gateway(app, labels.Set{"istio": "ingress"})
			if tc.want == "" {
				require.Equal(t, Foreign{}, got)
				return
			}
			require.Equal(t, tc.want, got.String())
		})
	}
}

func TestForeignVirtualService(t *testing.T) {
	t.Parallel()
	for want, hosts := range map[string][]string{
		"VirtualService default/other takes requests for the app's host a.example: take the host out of it, or remove it":              {"a.example"},
		"VirtualService default/other takes requests for the app's hosts a.example, b.example: take the hosts out of it, or remove it": {"a.example", "b.example"},
		"VirtualService default/other takes requests for the app's Service: take its name out of it, or remove it":                     nil,
	} {
		require.Equal(t, want, ForeignVirtualService("default/other", hosts).String())
	}
}

func TestHidingSidecar(t *testing.T) {
	t.Parallel()
	sidecar := func(namespace, name, created, spec string) [4]string {
		return [4]string{namespace, name, created, spec}
	}
	egress := func(hosts string) string { return `{"egress":[{"hosts":[` + hosts + `]}]}` }
	narrow := egress(`"istio-system/*"`)
	for name, tc := range map[string]struct {
		sidecars [][4]string
		want     string
	}{
		"none":                               {nil, ""},
		"leaves it out":                      {[][4]string{sidecar("callers", "narrow", early, narrow)}, "callers/narrow"},
		"of another namespace":               {[][4]string{sidecar("default", "narrow", early, narrow)}, ""},
		"of the root namespace":              {[][4]string{sidecar("istio-system", "all", early, narrow)}, "istio-system/all"},
		"the namespace's own comes first":    {[][4]string{sidecar("istio-system", "all", early, narrow), sidecar("callers", "wide", late, egress(`"*/*"`))}, ""},
		"an older one comes first":           {[][4]string{sidecar("callers", "narrow", late, narrow), sidecar("callers", "wide", early, egress(`"*/*"`))}, ""},
		"one with a selector comes first":    {[][4]string{sidecar("callers", "wide", early, egress(`"*/*"`)), sidecar("callers", "narrow", late, `{"workloadSelector":{"labels":{"app":"caller"}},`+narrow[1:])}, "callers/narrow"},
		"one for other pods does not count":  {[][4]string{sidecar("callers", "narrow", early, `{"workloadSelector":{"labels":{"app":"another"}},`+narrow[1:])}, ""},
		"a selector in the root namespace":   {[][4]string{sidecar("istio-system", "some", early, `{"workloadSelector":{"labels":{"app":"caller"}},`+narrow[1:])}, ""},
		"says nothing of egress":             {[][4]string{sidecar("callers", "inbound", early, `{}`)}, ""},
		"the app's namespace":                {[][4]string{sidecar("callers", "s", early, egress(`"shop/*"`))}, ""},
		"the Service":                        {[][4]string{sidecar("callers", "s", early, egress(`"*/web.shop.svc.cluster.local"`))}, ""},
		"the external host alone":            {[][4]string{sidecar("callers", "s", early, egress(`"shop/web.example.com","shop/*.example.com"`))}, "callers/s"},
		"another Service of the namespace":   {[][4]string{sidecar("callers", "s", early, egress(`"shop/db.shop.svc.cluster.local"`))}, "callers/s"},
		"the caller's namespace alone":       {[][4]string{sidecar("callers", "s", early, egress(`"./*"`))}, "callers/s"},
		"all but the app":                    {[][4]string{sidecar("callers", "s", early, egress(`"*/*","~shop/web.shop.svc.cluster.local"`))}, "callers/s"},
		"nothing at all":                     {[][4]string{sidecar("callers", "s", early, egress(`"~/*"`))}, "callers/s"},
		"in a second listener":               {[][4]string{sidecar("callers", "s", early, `{"egress":[{"hosts":["./*"]},{"hosts":["shop/*"]}]}`)}, ""},
		"in a listener of its port":          {[][4]string{sidecar("callers", "s", early, `{"egress":[{"port":{"number":80},"hosts":["*/*"]}]}`)}, ""},
		"in a listener of another port only": {[][4]string{sidecar("callers", "s", early, `{"egress":[{"port":{"number":9080},"hosts":["*/*"]}]}`)}, "callers/s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Others{sidecars: decode[sidecarObject](objects(t, tc.sidecars...))}
			require.Equal(t, tc.want, o.Hiding(exampleApp, "callers", labels.Set{"app": "caller"}))
		})
	}
	o := Others{sidecars: decode[sidecarObject](objects(t, [4]string{"shop", "own", early, egress(`"./*"`)}))}
	require.Empty(t, o.Hiding(exampleApp, "shop", nil), "the caller's namespace is the app's")
}

// What cannot be read is not there.
func TestReadOthersWithoutRights(t *testing.T) {
	t.Parallel()
	require.Equal(t, Others{}, ReadOthers(t.Context(), kubetest.API(t, nil)))
}
