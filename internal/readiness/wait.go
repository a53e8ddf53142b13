package readiness

import (
	"context"

	"canary/internal/kube"
	"canary/internal/release"
)

// Wait waits until each subset has its wanted number of ready pods of its
// newest version. It ends early, with the pod's own reason, when a pod cannot
// become ready; the error then is (or joins) a *NotReadyError. subsets that want
// no pods are not looked at. report gets a line of progress whenever it changes;
// it may be nil.
func Wait(ctx context.Context, c *kube.Client, app release.App, subsets map[string]release.Pods, report func(string)) error {
	return newReadiness(&clusterWorkloads{client: c, app: app}, app, subsets, report).wait(ctx)
}

// AnyReady reports whether a subset has a pod that can serve: ready and not
// ending.
func AnyReady(ctx context.Context, c *kube.Client, app release.App, subset string) (bool, error) {
	pods, err := c.Pods(ctx, app.Namespace, release.LabelName+"="+app.Name+","+release.LabelSubset+"="+subset)
	if err != nil {
		return false, err
	}
	for i := range pods {
		if pod := &pods[i]; pod.DeletionTimestamp == nil && kube.Ready(pod) {
			return true, nil
		}
	}
	return false, nil
}
