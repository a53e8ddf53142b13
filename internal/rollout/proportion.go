package rollout

import (
	"context"
	"fmt"

	"canary/internal/release"
)

// compare warns when an autoscaled subset is to serve more than its pods are likely to
// carry, by what the other's carry now: an autoscaler adds pods only once they are loaded.
func (r *Rollout) compare(ctx context.Context, cluster Cluster, inForce release.Split, say Voice) {
	subset, other := release.Canary, release.Stable
	if !r.want.Split.Gains(subset, inForce) {
		subset, other = other, subset
	}
	pods := r.want.Pods[subset]
	if !pods.Autoscaled() {
		return
	}
	ready, err := cluster.ReadyPods(ctx)
	if err != nil {
		return // the wait for the pods tells
	}
	needed := r.want.Split.InProportion(subset, inForce, ready[other])
	if ready[subset] >= needed {
		return
	}
	say.Warn(fmt.Sprintf("%s gets %s %% of the requests, and has %d of the %d pods that would carry them as %s's do now. "+
		"Its autoscaler adds pods only once they are loaded; `pulumi config set %sReplicas %d` and `pulumi up` have them ready before",
		subset, r.want.Split.Percent(subset), ready[subset], needed, other, subset, min(needed, pods.Max)))
}
