// Package mesh finds what there is of Istio in a cluster, whoever installed it:
// istiods, the webhooks that inject sidecars, the ingress gateway, which is any pod
// that the app's Gateway selects, objects of others that keep the app's own from the
// proxies, and what a namespace of others means for the app's pods.
package mesh
