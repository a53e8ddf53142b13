package readiness

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestExplanation(t *testing.T) {
	t.Parallel()
	named := func(name string, pod *corev1.Pod) corev1.Pod {
		pod.Name, pod.UID = name, types.UID(name)
		return *pod
	}
	crashes := waitingFor("CrashLoopBackOff", "")
	crashes.RestartCount, crashes.LastTerminationState = 3, ended(255, "Error", "")
	starts := podWith(corev1.ContainerStatus{State: running()})
	ending := podWith(crashes)
	ending.DeletionTimestamp = &metav1.Time{}
	ready := readyPod("new")
	pods := []corev1.Pod{
		named("crashes", podWith(crashes)),
		named("none", podWith(waitingFor("ImagePullBackOff", "not found"))),
		named("away", podWith(waitingFor("ErrImagePull", "dial tcp 10.0.0.1:443: i/o timeout"))),
		named("starts", starts), named("ending", ending), named("ready", &ready),
	}
	e := explanation{
		workloads: &fakeWorkloads{logs: "Envoy exited\n"}, image: "check the hub",
		firstSeen: map[string]time.Time{}, told: map[string]bool{},
	}
	lines := func(at time.Duration) (lines []string) {
		e.look(t.Context(), pods, time.Unix(0, 0).Add(at), func(line string) { lines = append(lines, line) })
		return lines
	}
	require.Equal(t, []string{
		`pod crashes: container app: CrashLoopBackOff: exited with code 255, restarted 3 times; last log line: "Envoy exited"; ` +
			"`kubectl logs -n ns crashes` tells more",
		"pod none: container app: ImagePullBackOff: not found; check the hub",
	}, lines(0))
	require.Empty(t, lines(pullPatience-1))
	require.Equal(t, []string{
		"pod away: container app: ErrImagePull: dial tcp 10.0.0.1:443: i/o timeout; the nodes cannot reach the registry: " +
			"check that it runs, its name and port in the image's name, and the network",
	}, lines(pullPatience))
	require.Empty(t, lines(time.Hour))
}
