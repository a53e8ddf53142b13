// Package converge waits until every proxy of the mesh serves a split.
//
// # When a split has converged
//
// Envoy's own routes are the truth. A proxy has converged when every virtual
// host that it has for the app sends to stable and canary in the wanted ratio.
// Proxies are read directly, through a port-forward to Envoy's admin port on the
// pod's loopback:
//
//   - The set is every running pod with a container or native sidecar named
//     istio-proxy, in all namespaces. Pods that vanish leave the set, pods that
//     appear join it.
//   - A proxy must also hold the clusters of the subsets that get requests by the
//     split, or it answers them with 503. Those that Snapshot saw to hold both are
//     not asked again, and those that are not read directly are not asked at all.
//   - The pods that the app's Gateway selects must have a virtual host for each
//     external host of the app, and there must be at least one such pod. A proxy
//     without a virtual host for the app does not serve it: right for an egress
//     gateway, or for a sidecar whose scope leaves the app out.
//   - A pod that is ending still serves its open connections, so it counts for
//     as long as it can be read; when it cannot be read any more it is over.
//   - A proxy that is not ready and has no routes yet, or cannot be read yet,
//     serves nobody, and takes the newest split when it connects to istiod: it
//     is not waited for. A proxy that is ready but cannot be read is waited for:
//     it may well serve the old split.
//   - A proxy that lags because of an object of somebody else ends the wait after two
//     seconds. Envoy says which VirtualService a route is made by and which
//     DestinationRule a cluster; the Gateways are read only when a gateway lags.
//
// # Many proxies
//
// Up to 16 proxies are all read directly. With more, istiod's books
// (/debug/syncz: which push each proxy was sent and has acknowledged) extend
// what is known of a few, if Look was called before the write:
//
//   - The set is the pods and all proxies in the books. A pod in no book lags
//     until it is read directly.
//   - For each istiod process one proxy that holds the split is read once more
//     between two readings of the book that show the same acknowledged push. The
//     counter of that push is V. It must be above every counter that Look saw in
//     that process.
//   - Another proxy counts when each of its connections has acknowledged the
//     last push that it was sent, without an error, and the counter of that push
//     is V or more. (So its nonce also differs from the one before the write.)
//   - What that does not confirm a second after a proxy of the same process was
//     seen to hold the split is read directly; so are, from the start, gateways,
//     pods that are ending or not ready, proxies that watch no routes or refused
//     them, and those of an istiod whose book could not be read.
//   - A proxy that is no pod of this cluster can only be confirmed by the books.
//     It is not waited for when istiod had nothing to send to it: everything is
//     acknowledged and the book has not changed for a second.
//   - When the VirtualService is the one of before, nothing is going to be sent,
//     and only what the pods serve counts.
//
// docs/converge.md says why, and what the limits are.
package converge
