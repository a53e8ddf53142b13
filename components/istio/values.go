package istio

import (
	"maps"

	"canary/internal/config"
	"canary/internal/drain"
	"canary/internal/envoy"
)

// The keys of the istioValues option: one per chart.
const (
	baseKey    = "base"
	istiodKey  = "istiod"
	ingressKey = "ingressgateway"
	egressKey  = "egressgateway"
)

const profile = "demo"

// baseValues are the values of chart base.
func baseValues() map[string]any {
	return map[string]any{"profile": profile}
}

// istiodValues are the values of chart istiod. Image hub, tag and pull policy
// also hold for what istiod injects: sidecars and gateways. Proxies keep how long
// requests to the subsets took and their statuses, by which a canary is judged, and
// sidecars answer for the names of Services themselves: k3s has one pod of CoreDNS,
// and callers go on while its node is away.
func istiodValues(c config.Istio) map[string]any {
	return map[string]any{
		"profile": profile,
		"global": map[string]any{
			"hub":             c.Hub,
			"tag":             c.Tag,
			"imagePullPolicy": "IfNotPresent",
		},
		"meshConfig": map[string]any{"defaultConfig": map[string]any{
			"proxyStatsMatcher": map[string]any{"inclusionRegexps": []any{envoy.Kept}},
			"proxyMetadata":     map[string]any{"ISTIO_META_DNS_CAPTURE": "true"},
		}},
	}
}

// ingressValues are the values of chart gateway for the ingress gateway. Two
// pods on different nodes keep the way in open while one of them is replaced or
// its node is lost.
func ingressValues(drainSeconds int) map[string]any {
	return gatewayValues(drainSeconds, map[string]any{
		"replicaCount": 2,
		// How long requests took is brought up to date this often, by default every 5 s: a slow
		// canary is seen so much later. Envoy takes nothing but whole seconds from Istio.
		"podAnnotations": map[string]any{"sidecar.istio.io/statsFlushInterval": "1s"},
		// A drain of nodes takes the next pod when the one before has its successor.
		"podDisruptionBudget": map[string]any{"maxUnavailable": 1},
		"service": map[string]any{
			"ports": []any{
				port("status-port", 15021, 15021),
				port("http2", 80, 8080),
				port("https", 443, 8443),
				port("tcp", 31400, 31400),
				port("tls", 15443, 15443),
			},
		},
		// ScheduleAnyway: a cluster of one node runs both.
		"topologySpreadConstraints": []any{map[string]any{
			"maxSkew":           1,
			"topologyKey":       "kubernetes.io/hostname",
			"whenUnsatisfiable": "ScheduleAnyway",
			"labelSelector":     map[string]any{"matchLabels": map[string]any{"istio": "ingressgateway"}},
			// A new pod is compared with new pods only, so that a rolling update
			// ends as evenly spread as it began.
			"matchLabelKeys": []any{"pod-template-hash"},
		}},
	})
}

// egressValues are the values of chart gateway for the egress gateway.
func egressValues(drainSeconds int) map[string]any {
	return gatewayValues(drainSeconds, map[string]any{
		"replicaCount": 1,
		"service": map[string]any{
			"type": "ClusterIP",
			"ports": []any{
				port("http2", 80, 8080),
				port("https", 443, 8443),
			},
		},
	})
}

// gatewayValues are the values that both gateways share, with own on top. The
// demo profile's section for gateways speaks to an older chart; what it says is
// repeated here in the words of chart gateway.
func gatewayValues(drainSeconds int, own map[string]any) map[string]any {
	plan := drain.Gateway(drainSeconds)
	return merge(map[string]any{
		"profile": profile,
		// The chart's image is "auto", which istiod replaces on admission. Kubernetes
		// reads it as tag latest before that, and its pull policy would be Always.
		"imagePullPolicy": "IfNotPresent",
		"autoscaling":     map[string]any{"enabled": false},
		"resources":       map[string]any{"requests": map[string]any{"cpu": "10m", "memory": "40Mi"}},
		// A new pod is ready before an old one goes.
		"strategy": map[string]any{
			"type":          "RollingUpdate",
			"rollingUpdate": map[string]any{"maxSurge": 1, "maxUnavailable": 0},
		},
		// Istio's own probe asks every 15 s, so that a gateway which is up in two is
		// seen after fifteen. It gives up after a minute, as Istio's does.
		"readinessProbe": map[string]any{
			"httpGet":          map[string]any{"path": "/healthz/ready", "port": 15021},
			"periodSeconds":    2,
			"timeoutSeconds":   3,
			"failureThreshold": 30,
		},
		"podAnnotations": map[string]any{
			"proxy.istio.io/config": plan.ProxyConfig(),
		},
		"terminationGracePeriodSeconds": plan.Grace,
	}, own)
}

// port is one port of a gateway's Service.
func port(name string, number, target int) map[string]any {
	return map[string]any{"name": name, "port": number, "targetPort": target, "protocol": "TCP"}
}

// merge returns values with extra on top, as Helm merges value files: maps by
// key, anything else (lists too) as a whole. A null in extra removes the key, so
// that the chart's own default holds. Neither argument is changed.
func merge(values, extra map[string]any) map[string]any {
	merged := maps.Clone(values)
	if merged == nil {
		merged = map[string]any{}
	}
	for key, value := range extra {
		if value == nil {
			delete(merged, key)
			continue
		}
		below, isMap := value.(map[string]any)
		if !isMap {
			merged[key] = value
			continue
		}
		had, _ := merged[key].(map[string]any)
		merged[key] = merge(had, below)
	}
	return merged
}
