package readiness

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"canary/internal/release"
)

// fakeWorkloads shows what build makes of the time since the start.
type fakeWorkloads struct {
	start   time.Time
	build   func(since time.Duration) snapshot
	event   []corev1.Event
	logs    string
	repair  string
	failing func(since time.Duration) error
}

func (w *fakeWorkloads) snapshot(context.Context) (snapshot, error) {
	since := time.Since(w.start)
	if w.failing != nil {
		if err := w.failing(since); err != nil {
			return snapshot{}, err
		}
	}
	return w.build(since), nil
}

func (w *fakeWorkloads) events(_ context.Context, pod *corev1.Pod) ([]corev1.Event, error) {
	if pod.Labels[release.LabelSubset] != release.Canary {
		return nil, nil
	}
	return w.event, nil
}

func (w *fakeWorkloads) injection(context.Context, *corev1.Pod) (string, error) {
	if w.repair == "" {
		return "", errors.New("no right to read it")
	}
	return w.repair, nil
}

func (w *fakeWorkloads) log(context.Context, *corev1.Pod, string) (string, error) {
	if w.logs == "" {
		return "", errors.New("no log")
	}
	return w.logs, nil
}

// deployed is a Deployment of the subset at revision 2, whose ReplicaSets have
// the hashes "old" and "new".
func deployed(subset string, pods ...corev1.Pod) snapshot {
	labels := map[string]string{release.LabelName: "app-example", release.LabelSubset: subset}
	uid := types.UID("deployment-" + subset)
	s := snapshot{deployments: []appsv1.Deployment{{ObjectMeta: metav1.ObjectMeta{
		Name: "app-example-" + subset, UID: uid, Labels: labels, Annotations: map[string]string{revisionAnnotation: "2"},
	}}}}
	for revision, hash := range map[string]string{"1": "old", "2": "new"} {
		s.replicaSets = append(s.replicaSets, appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{
			Labels: map[string]string{hashLabel: hash + subset}, Annotations: map[string]string{revisionAnnotation: revision},
			OwnerReferences: []metav1.OwnerReference{{UID: uid}},
		}})
	}
	for i, pod := range pods {
		pod.Labels[release.LabelSubset] = subset
		pod.Labels[hashLabel] += subset
		pod.Name = fmt.Sprintf("%s-%d", subset, i)
		pod.UID = types.UID(pod.Name)
		s.pods = append(s.pods, pod)
	}
	return s
}

func (s snapshot) and(other snapshot) snapshot {
	return snapshot{append(s.deployments, other.deployments...), append(s.replicaSets, other.replicaSets...), append(s.pods, other.pods...)}
}

func with(hash string, pod *corev1.Pod) corev1.Pod {
	pod.Labels = map[string]string{hashLabel: hash}
	return *pod
}

func readyPod(hash string) corev1.Pod {
	pod := podWith(corev1.ContainerStatus{State: running(), Ready: true})
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return with(hash, pod)
}

// plainPod is ready and has no sidecar.
func plainPod() corev1.Pod {
	pod := readyPod("new")
	pod.Spec.Containers = pod.Spec.Containers[:1]
	return pod
}

func startingPod() corev1.Pod { return with("new", podWith(corev1.ContainerStatus{State: running()})) }

func endingPod(hash string) corev1.Pod {
	pod := readyPod(hash)
	pod.DeletionTimestamp = &metav1.Time{}
	return pod
}

// webhookFails is what the API server says of a webhook, before the cause.
const webhookFails = `Internal error occurred: failed calling webhook "namespace.sidecar-injector.istio.io": failed to call webhook: Post "https://istiod-next.istio.svc:443/inject?timeout=10s": `

// refused is a canary whose pods the API server does not take.
func refused(why string) snapshot {
	s := deployed(release.Canary)
	s.deployments[0].Status.Conditions = []appsv1.DeploymentCondition{{
		Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: why,
	}}
	return s
}
