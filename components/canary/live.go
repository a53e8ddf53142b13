package canary

import (
	"context"
	"time"

	"canary/internal/converge"
	"canary/internal/kube"
	"canary/internal/mesh"
	"canary/internal/readiness"
	"canary/internal/release"
)

// live is the app in the running cluster. report gets lines of progress.
type live interface {
	// split is the split in force, as the VirtualService says.
	split(ctx context.Context) (release.Split, error)
	// author says who wrote that split last, and when; "" is not known.
	author(ctx context.Context) (string, error)
	// write writes a split into the VirtualService.
	write(ctx context.Context, split release.Split) error
	// anyReady reports whether a subset has a pod that can serve.
	anyReady(ctx context.Context, subset string) (bool, error)
	// writable tells whether the API server would take a change of the split.
	writable(ctx context.Context) error
	// waitReady waits for the wanted number of ready pods, by subset.
	waitReady(ctx context.Context, pods map[string]int, report func(string)) error
	// warm waits until the proxies hold both subsets.
	warm(ctx context.Context, timeout time.Duration, report func(string)) error
	// gateway checks that a pod of the ingress gateway runs, by its label istio.
	gateway(ctx context.Context, label string) error
	// gatewayOff says why the ingress gateway wants no pods; "" when it wants some.
	gatewayOff(ctx context.Context, label string) (string, error)
	// look is what istiod knows before the split is written; converge makes use of it.
	look(ctx context.Context) *converge.Before
	// converge waits until every proxy serves the split. before is nil when nothing
	// was written.
	converge(ctx context.Context, before *converge.Before, split release.Split, timeout time.Duration, report func(string)) (converge.Converged, error)
}

// connect reaches the app in the cluster of a kubeconfig's context.
type connect func(kubeconfig, contextName string, app release.App) (live, error)

// liveApp reads the cluster itself.
type liveApp struct {
	client *kube.Client
	app    release.App
}

func connectCluster(kubeconfig, contextName string, app release.App) (live, error) {
	client, err := kube.New([]byte(kubeconfig), contextName)
	if err != nil {
		return nil, err
	}
	return liveApp{client: client, app: app}, nil
}

func (l liveApp) split(ctx context.Context) (release.Split, error) {
	return release.LiveSplit(ctx, l.client, l.app)
}

func (l liveApp) author(ctx context.Context) (string, error) {
	return release.SplitAuthor(ctx, l.client, l.app)
}

func (l liveApp) write(ctx context.Context, split release.Split) error {
	return release.WriteSplit(ctx, l.client, l.app, split)
}

func (l liveApp) anyReady(ctx context.Context, subset string) (bool, error) {
	return readiness.AnyReady(ctx, l.client, l.app, subset)
}

func (l liveApp) writable(ctx context.Context) error {
	return release.CheckWritable(ctx, l.client, l.app)
}

func (l liveApp) waitReady(ctx context.Context, pods map[string]int, report func(string)) error {
	return readiness.Wait(ctx, l.client, l.app, pods, report)
}

func (l liveApp) warm(ctx context.Context, timeout time.Duration, report func(string)) error {
	return converge.WaitClusters(ctx, l.client, l.app, timeout, report)
}

func (l liveApp) gateway(ctx context.Context, label string) error {
	return mesh.CheckGateway(ctx, l.client, label)
}

func (l liveApp) gatewayOff(ctx context.Context, label string) (string, error) {
	return mesh.GatewayOff(ctx, l.client, label)
}

func (l liveApp) look(ctx context.Context) *converge.Before {
	return converge.Snapshot(ctx, l.client, l.app)
}

func (l liveApp) converge(ctx context.Context, before *converge.Before, split release.Split, timeout time.Duration, report func(string)) (converge.Converged, error) {
	return before.Converge(ctx, l.client, l.app, split, timeout, report)
}
