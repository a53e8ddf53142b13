package dataplane

import (
	"context"

	"canary/internal/kube"
)

// WaitReady waits until each subset has its wanted number of ready pods of its
// newest version. It ends early, with the pod's own reason, when a pod cannot
// become ready; the error then is (or joins) a *NotReadyError. subsets that want
// no pods are not looked at. report gets a line of progress whenever it changes;
// it may be nil.
func WaitReady(ctx context.Context, c *kube.Client, app App, subsets map[string]int, report func(string)) error {
	return newReadiness(&clusterWorkloads{client: c, app: app}, app, subsets, report).wait(ctx)
}
