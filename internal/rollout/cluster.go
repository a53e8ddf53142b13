package rollout

import (
	"context"
	"time"

	"canary/internal/converge"
	"canary/internal/drift"
	"canary/internal/kube"
	"canary/internal/mesh"
	"canary/internal/readiness"
	"canary/internal/release"
)

// Cluster is the app in a running cluster, as a rollout needs it. report gets lines
// of progress.
type Cluster interface {
	// Live is the split in force, as the VirtualService says.
	Live(ctx context.Context) (release.Live, error)
	// CheckWritable tells whether the API server would take a change of the split.
	CheckWritable(ctx context.Context) error
	// Write writes a split into the VirtualService that was read.
	Write(ctx context.Context, read release.Live, split release.Split) error
	// AnyReady reports whether a subset has a pod that can serve.
	AnyReady(ctx context.Context, subset string) (bool, error)
	// WaitReady waits for the wanted number of ready pods, by subset.
	WaitReady(ctx context.Context, pods map[string]release.Pods, report func(string)) error
	// ReadyPods are the numbers of pods that can serve, by subset.
	ReadyPods(ctx context.Context) (map[string]int, error)
	// AtLeast makes a subset's Deployment ask for so many pods, if it asks for fewer.
	AtLeast(ctx context.Context, subset string, pods int) error
	// CheckGateway checks that a pod of the ingress gateway runs, by its label istio.
	CheckGateway(ctx context.Context, label string) error
	// Exists reports whether there is an object of the kind and the name.
	Exists(ctx context.Context, object drift.Object) (bool, error)
	// NamespaceThere fails when there is no namespace for the app.
	NamespaceThere(ctx context.Context) error
	// CheckNamespace also fails when pods with the labels would get no sidecar in it.
	CheckNamespace(ctx context.Context, pod map[string]string) (mesh.Notes, error)
	// Changes are what somebody else changed in objects.
	Changes(ctx context.Context, objects []drift.Object) ([]drift.Change, error)
	// GatewayOff says why the ingress gateway wants no pods; "" when it wants some.
	GatewayOff(ctx context.Context, label string) (string, error)
	// Warm waits until the proxies hold both subsets.
	Warm(ctx context.Context, timeout time.Duration, report func(string)) error
	// Look is what istiod knows before the split is written; Converge makes use of it.
	Look(ctx context.Context) *converge.Before
	// Blocked says which objects of others make requests fail under a split, by what a
	// look saw; "" is none.
	Blocked(before *converge.Before, split release.Split) string
	// Converge waits until every proxy serves the split. before is nil when nothing
	// was written.
	Converge(ctx context.Context, before *converge.Before, split release.Split, timeout time.Duration, report func(string)) (converge.Converged, error)
	// ConvergeRoutes is Converge without a look at whether the proxies can reach the
	// subsets.
	ConvergeRoutes(ctx context.Context, before *converge.Before, split release.Split, timeout time.Duration, report func(string)) (converge.Converged, error)
}

// Connect reaches the app in the cluster of a kubeconfig, by one of its contexts
// ("" is the current one). Its connections last as long as ctx or the program.
func Connect(ctx context.Context, kubeconfig, contextName string, app release.App) (Cluster, error) {
	client, err := kube.New([]byte(kubeconfig), contextName)
	if err != nil {
		return nil, err
	}
	links := converge.NewLinks(client, app)
	links.Open(ctx)
	return liveApp{client: client, app: app, links: links}, nil
}

// liveApp reads the cluster itself.
type liveApp struct {
	client *kube.Client
	app    release.App
	links  *converge.Links
}

func (l liveApp) Live(ctx context.Context) (release.Live, error) {
	return release.ReadLive(ctx, l.client, l.app)
}

func (l liveApp) CheckWritable(ctx context.Context) error {
	return release.CheckWritable(ctx, l.client, l.app)
}

func (l liveApp) Write(ctx context.Context, read release.Live, split release.Split) error {
	return release.WriteSplit(ctx, l.client, l.app, read, split)
}

func (l liveApp) AnyReady(ctx context.Context, subset string) (bool, error) {
	return readiness.AnyReady(ctx, l.client, l.app, subset)
}

func (l liveApp) WaitReady(ctx context.Context, pods map[string]release.Pods, report func(string)) error {
	return readiness.Wait(ctx, l.client, l.app, pods, report)
}

func (l liveApp) ReadyPods(ctx context.Context) (map[string]int, error) {
	subsets, err := readiness.Subsets(ctx, l.client, l.app)
	ready := map[string]int{}
	for _, subset := range subsets {
		ready[subset.Name] = subset.Ready
	}
	return ready, err
}

func (l liveApp) AtLeast(ctx context.Context, subset string, pods int) error {
	return readiness.AtLeast(ctx, l.client, l.app, subset, pods)
}

func (l liveApp) CheckGateway(ctx context.Context, label string) error {
	return mesh.CheckGateway(ctx, l.client, label)
}

func (l liveApp) Exists(ctx context.Context, object drift.Object) (bool, error) {
	return drift.Exists(ctx, l.client, object)
}

func (l liveApp) NamespaceThere(ctx context.Context) error {
	return mesh.NamespaceThere(ctx, l.client, l.app.Namespace)
}

func (l liveApp) CheckNamespace(ctx context.Context, pod map[string]string) (mesh.Notes, error) {
	return mesh.CheckNamespace(ctx, l.client, l.app, pod)
}

func (l liveApp) Changes(ctx context.Context, objects []drift.Object) ([]drift.Change, error) {
	return drift.Find(ctx, l.client, objects)
}

func (l liveApp) GatewayOff(ctx context.Context, label string) (string, error) {
	return mesh.GatewayOff(ctx, l.client, label)
}

func (l liveApp) Warm(ctx context.Context, timeout time.Duration, report func(string)) error {
	return converge.WaitClusters(ctx, l.client, l.app, timeout, report)
}

func (l liveApp) Look(ctx context.Context) *converge.Before {
	return l.links.Look(ctx)
}

func (l liveApp) Blocked(before *converge.Before, split release.Split) string {
	return before.Blocked(split)
}

func (l liveApp) Converge(ctx context.Context, before *converge.Before, split release.Split, timeout time.Duration, report func(string)) (converge.Converged, error) {
	return l.links.Converge(ctx, before, split, timeout, report)
}

func (l liveApp) ConvergeRoutes(ctx context.Context, before *converge.Before, split release.Split, timeout time.Duration, report func(string)) (converge.Converged, error) {
	return l.links.ConvergeRoutes(ctx, before, split, timeout, report)
}
