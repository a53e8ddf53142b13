package cluster

import (
	"fmt"

	"canary/internal/config"
)

// What a k3d cluster takes of its engine at the very least. These are no recommendations: with less it cannot work, and a
// cluster that might is not refused. What Docker, the kernel and the app's own containers take comes on top, and is not counted.
const (
	// What K3s itself takes of a server and of an agent, in MB: the least figures that its project has measured and published
	// (docs.k3s.io, "Resource Profiling", for v1.19; for v1.26 they are 1428 and 275).
	serverMemory = 512
	agentMemory  = 256

	// What the pods' specifications ask for, in MiB: Istio's demo profile and components/istio, and K3s's own manifests.
	istiodMemory        = 100
	proxyMemory         = 40
	coreDNSMemory       = 70
	metricsServerMemory = 70
	gateways            = 3 // two pods of the ingress gateway, one of the egress gateway

	// imagesDisk is what the nodes have of the images of a default stack, in MB: the 229 MB that they pull
	// (docs/operations.md, "Images pulled once"), packed, and unpacked at least the same again.
	imagesDisk = 2 * 229
)

// room says what a new cluster takes of its engine, for the app's number of pods: words key=number that
// scripts/lib/room.sh reads. The memory is that of the server, of the agents, of each of these, and of the pods. All is in MB.
func room(c config.Cluster, appPods int) string {
	pods := istiodMemory + (gateways+appPods)*proxyMemory + coreDNSMemory
	if c.MetricsServer {
		pods += metricsServerMemory
	}
	return fmt.Sprintf("server=%d agents=%d agent=%d pods=%d images=%d", serverMemory, c.Agents, agentMemory, pods<<20/1_000_000, imagesDisk)
}
