// Package dataplane answers what is really so in the cluster: which pods of a
// subset are ready and why the others are not, which split the VirtualService
// object holds, and which split each proxy serves. It only reads.
//
// # When a split has converged
//
// Envoy's own routes are the truth. A proxy has converged when every virtual
// host that it has for the app sends to stable and canary in the wanted ratio.
// Converge reads each proxy directly, through a port-forward to Envoy's admin
// port on the pod's loopback:
//
//   - The set is every running pod with a container or native sidecar named
//     istio-proxy, in all namespaces. Pods that vanish leave the set, pods that
//     appear join it.
//   - The pods that the app's Gateway selects must have a virtual host for the
//     app's external host, and there must be at least one such pod. A proxy
//     without a virtual host for the app does not serve it: right for an egress
//     gateway, or for a sidecar whose scope leaves the app out.
//   - A pod that is ending still serves its open connections, so it counts for
//     as long as it can be read; when it cannot be read any more it is over.
//   - A proxy that is not ready and has no routes yet, or cannot be read yet,
//     serves nobody, and takes the newest split when it connects to istiod: it
//     is not waited for. A proxy that is ready but cannot be read is waited for:
//     it may well serve the old split.
//
// Limits: waypoints (ambient mode) keep their routes inside listeners, and the
// proxies of other clusters cannot be read; neither is noticed.
package dataplane
