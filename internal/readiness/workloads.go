package readiness

import (
	"context"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"canary/internal/kube"
	"canary/internal/mesh"
	"canary/internal/release"
)

// snapshot is everything of one app at about the same moment.
type snapshot struct {
	deployments []appsv1.Deployment
	replicaSets []appsv1.ReplicaSet
	pods        []corev1.Pod
}

// workloads is where readiness looks.
type workloads interface {
	snapshot(ctx context.Context) (snapshot, error)
	events(ctx context.Context, pod *corev1.Pod) ([]corev1.Event, error)
	// injection says what would give the app's pods a sidecar, of which one has none.
	injection(ctx context.Context, pod *corev1.Pod) (string, error)
	// log gives the end of what a container wrote before it ended.
	log(ctx context.Context, pod *corev1.Pod, container string) (string, error)
}

type clusterWorkloads struct {
	client *kube.Client
	app    release.App
}

func (w *clusterWorkloads) snapshot(ctx context.Context) (snapshot, error) {
	var s snapshot
	selector := release.LabelName + "=" + w.app.Name
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		s.deployments, err = w.client.Deployments(ctx, w.app.Namespace, selector)
		return err
	})
	group.Go(func() (err error) {
		s.replicaSets, err = w.client.ReplicaSets(ctx, w.app.Namespace, selector)
		return err
	})
	group.Go(func() (err error) {
		s.pods, err = w.client.Pods(ctx, w.app.Namespace, selector)
		return err
	})
	return s, group.Wait()
}

func (w *clusterWorkloads) events(ctx context.Context, pod *corev1.Pod) ([]corev1.Event, error) {
	return w.client.Events(ctx, pod.Namespace, "involvedObject.uid="+string(pod.UID))
}

func (w *clusterWorkloads) injection(ctx context.Context, pod *corev1.Pod) (string, error) {
	found, err := mesh.FindInjection(ctx, w.client, w.app.Namespace)
	if err != nil {
		return "", err
	}
	return found.Repair(release.LabelName+"="+w.app.Name, pod.Labels), nil
}

func (w *clusterWorkloads) log(ctx context.Context, pod *corev1.Pod, container string) (string, error) {
	const lines = 10
	log, err := w.client.Logs(ctx, pod.Namespace, pod.Name, container, true, lines)
	if err != nil || lastLine(log) == "" {
		// Between two runs the one that ended may still be the present one.
		return w.client.Logs(ctx, pod.Namespace, pod.Name, container, false, lines)
	}
	return log, nil
}
