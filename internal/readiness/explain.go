package readiness

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"canary/internal/kube"
	"canary/internal/mesh"
)

// Explain looks, until the context ends, at the pods of a namespace with a label that are not the app's, and tells once of each
// why it does not get ready, when that has lasted too long to pass by itself. image is what to do about an image that cannot be
// pulled, unless the cause is another. What cannot be read is left out: who waits for the pods hears of that.
func Explain(ctx context.Context, c *kube.Client, namespace, selector, image string, tell func(line string)) {
	e := explanation{workloads: &clusterWorkloads{client: c}, image: image, firstSeen: map[string]time.Time{}, told: map[string]bool{}}
	for {
		if pods, err := c.Pods(ctx, namespace, selector); err == nil {
			e.look(ctx, pods, time.Now(), tell)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(longLook):
		}
	}
}

type explanation struct {
	workloads workloads
	image     string
	firstSeen map[string]time.Time // by finding.key
	told      map[string]bool      // by the UID of the pod
}

func (e *explanation) look(ctx context.Context, pods []corev1.Pod, now time.Time, tell func(line string)) {
	seen := map[string]time.Time{}
	for i := range pods {
		pod := &pods[i]
		if over(pod) || kube.Ready(pod) || e.told[string(pod.UID)] {
			continue
		}
		events, err := e.workloads.events(ctx, pod)
		if err != nil {
			continue
		}
		f := diagnose(pod, events)
		since, known := e.firstSeen[f.key()]
		if !known {
			since = now
		}
		seen[f.key()] = since
		if f.ripe(since, now) {
			e.told[f.uid] = true
			tell(e.line(ctx, pod, f))
		}
	}
	e.firstSeen = seen
}

// line is what an error about one of the app's pods would say.
func (e *explanation) line(ctx context.Context, pod *corev1.Pod, f finding) string {
	logs := fmt.Sprintf("`kubectl logs -n %s %s` tells more", pod.Namespace, pod.Name)
	switch {
	case strings.Contains(f.advice, "imagePullSecret"): // which is for the app's images
		f.advice = e.image
	case f.kind == kindProbe && f.container != mesh.ProxyContainer, f.advice == "":
		f.advice = logs
	}
	failed := NotReadyError{Pod: f.pod, Container: f.container, Reason: f.reason, Message: f.message, Advice: f.advice}
	if f.wantsLog {
		failed.addLog(ctx, e.workloads, pod)
	}
	return failed.why()
}
