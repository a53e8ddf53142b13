// Package mesh finds what there is of Istio in a cluster, whoever installed it:
// istiods, the webhooks that inject sidecars, and the ingress gateway, which is any
// pod that the app's Gateway selects.
package mesh
