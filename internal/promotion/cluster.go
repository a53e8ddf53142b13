package promotion

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"canary/internal/envoy"
	"canary/internal/kube"
	"canary/internal/meter"
	"canary/internal/podpatch"
	"canary/internal/prometheus"
	"canary/internal/readiness"
	"canary/internal/release"
)

// What Describe shows at most.
const (
	describedPods   = 3
	describedEvents = 3
	describedLines  = 5
)

// LiveCluster is the app in a running cluster.
type LiveCluster struct {
	client  *kube.Client
	app     release.App
	counter counter
	close   func()
}

// counter counts the requests of both subsets.
type counter interface {
	Begin(ctx context.Context) (meter.Reading, error)
	Read(ctx context.Context) (meter.Reading, error)
}

// NewLiveCluster prepares connections; it does no I/O. The requests are counted as the plan
// says.
func NewLiveCluster(client *kube.Client, app release.App, plan Plan, access prometheus.Access) (*LiveCluster, error) {
	if plan.Prometheus != nil {
		counter, err := prometheus.New(*plan.Prometheus, access, client, app)
		if err != nil {
			return nil, err
		}
		return &LiveCluster{client: client, app: app, counter: counter, close: counter.Close}, nil
	}
	fleet := envoy.NewAdmin(client, app)
	var proxies meter.Proxies = fleet
	if len(plan.Failures) > 0 {
		proxies = envoy.ByStatus{Admin: fleet, Failing: plan.Failures}
	}
	return &LiveCluster{client: client, app: app, counter: meter.New(proxies), close: fleet.Close}, nil
}

// Close ends the connections.
func (l *LiveCluster) Close() { l.close() }

// Split is the split in force.
func (l *LiveCluster) Split(ctx context.Context) (release.Split, error) {
	return release.LiveSplit(ctx, l.client, l.app)
}

// Write writes a split into the VirtualService.
func (l *LiveCluster) Write(ctx context.Context, split release.Split) error {
	return release.WriteSplit(ctx, l.client, l.app, release.Live{}, split)
}

// Order is the order that the VirtualService has.
func (l *LiveCluster) Order(ctx context.Context) (string, error) {
	return release.LiveOrder(ctx, l.client, l.app)
}

// WriteOrder writes an order into the VirtualService.
func (l *LiveCluster) WriteOrder(ctx context.Context, order string) error {
	return release.WriteOrder(ctx, l.client, l.app, order)
}

// Begin makes the counts begin at nothing.
func (l *LiveCluster) Begin(ctx context.Context) (meter.Reading, error) { return l.counter.Begin(ctx) }

// Read gives the counts since Begin.
func (l *LiveCluster) Read(ctx context.Context) (meter.Reading, error) { return l.counter.Read(ctx) }

// CanaryReady is how many pods of the canary can serve.
func (l *LiveCluster) CanaryReady(ctx context.Context) (int, error) {
	subsets, err := readiness.Subsets(ctx, l.client, l.app)
	if err != nil {
		return 0, err
	}
	for _, subset := range subsets {
		if subset.Name == release.Canary {
			return subset.Ready, nil
		}
	}
	return 0, nil
}

// Describe says of some of the canary's pods how their containers fare, what Kubernetes
// warns of, and the last lines of the app's log. What cannot be read is left out, and so
// are pods that are ending, most of them of the version before.
func (l *LiveCluster) Describe(ctx context.Context) []string {
	pods, err := l.client.Pods(ctx, l.app.Namespace, release.LabelName+"="+l.app.Name+","+release.LabelSubset+"="+release.Canary)
	if err != nil {
		return nil
	}
	pods = slices.DeleteFunc(pods, func(pod corev1.Pod) bool { return pod.DeletionTimestamp != nil })
	var lines []string
	for _, pod := range pods[:min(len(pods), describedPods)] {
		state := "ready"
		if !kube.Ready(&pod) {
			state = "not ready"
		}
		lines = append(lines, fmt.Sprintf("pod %s: %s, %d restarts", pod.Name, state, kube.Restarts(&pod)))
		lines = append(lines, l.events(ctx, pod)...)
		lines = append(lines, l.log(ctx, pod)...)
	}
	return lines
}

func (l *LiveCluster) events(ctx context.Context, pod corev1.Pod) []string {
	events, err := l.client.Events(ctx, pod.Namespace, "involvedObject.uid="+string(pod.UID)+",type="+corev1.EventTypeWarning)
	if err != nil {
		return nil
	}
	var lines []string
	for _, event := range events[max(0, len(events)-describedEvents):] {
		lines = append(lines, fmt.Sprintf("    %s: %s", event.Reason, kube.OneLine(event.Message)))
	}
	return lines
}

// log is that of the container that crashed last, otherwise of the one that runs.
func (l *LiveCluster) log(ctx context.Context, pod corev1.Pod) []string {
	for _, container := range pod.Status.ContainerStatuses {
		if container.Name != podpatch.App {
			continue
		}
		crashed := container.RestartCount > 0
		log, err := l.client.Logs(ctx, pod.Namespace, pod.Name, container.Name, crashed, describedLines)
		if err != nil || strings.TrimSpace(log) == "" {
			return nil
		}
		var lines []string
		for line := range strings.Lines(log) {
			lines = append(lines, "    log: "+kube.OneLine(line))
		}
		return lines
	}
	return nil
}
