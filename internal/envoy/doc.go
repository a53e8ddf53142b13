// Package envoy reads what the Envoys of a mesh do with requests for an app: their
// routes and their active clusters, from the admin port on the pod's loopback.
//
//   - A proxy is a running pod with a container or native sidecar named istio-proxy,
//     in any namespace. Whether it is ready is read from that container, not from the
//     pod: a pod on a node that is cut off is not ready, and its proxy may go on.
//   - Routes are those of every virtual host for one of the app's external hosts or for
//     its Service. Each external host has one of its own. A route that is no split between the subsets is told as what it is, and
//     a route of another VirtualService with its name.
//   - Clusters are those of the app's Service and its subsets. That of the Service says
//     which DestinationRule counts for this proxy.
package envoy
