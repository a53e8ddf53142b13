package relay

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sebdah/goldie/v2"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

var options = Options{
	Namespace: "app", Service: "shop", Image: "docker.io/library/nginx:1.28.0-alpine", Lifetime: 20 * time.Minute,
}

func TestPod(t *testing.T) {
	t.Parallel()
	pod := podFor(options, "canary-requests-abc")
	golden := goldie.New(t)
	golden.Assert(t, "nginx.conf", []byte(nginxConfig(options)))
	calls := options
	calls.GRPC = true
	golden.Assert(t, "nginx-grpc.conf", []byte(nginxConfig(calls)))
	pod.Annotations[configKey] = "see nginx.conf.golden\n"
	data, err := yaml.Marshal(pod)
	require.NoError(t, err)
	golden.Assert(t, "pod", data)
}

func TestPodName(t *testing.T) {
	t.Parallel()
	first, second := podName(), podName()
	require.NotEqual(t, first, second)
	require.Regexp(t, `^canary-requests-[a-z0-9]{8}$`, first)
}

func TestOpenAndClose(t *testing.T) {
	t.Parallel()
	cluster := &fakeCluster{becomes: ready, nginx: fakeNginx(t, "204 No Content")}
	var progress []string
	o := options
	o.Progress = func(text string) { progress = append(progress, text) }
	relay, err := Open(t.Context(), cluster, o)
	require.NoError(t, err)
	require.Len(t, cluster.names(), 1)
	require.Equal(t, []string{"starting the relay pod"}, progress)
	conn, err := relay.DialContext(t.Context(), "tcp", "ignored")
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.NoError(t, relay.Close())
	require.Empty(t, cluster.names())
}

func TestOpenFailsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection lost")
	waiting := func(reason, message string) corev1.PodStatus {
		return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name: container, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
		}}}
	}
	cases := []struct {
		name    string
		cluster *fakeCluster
		want    string
	}{
		{
			name:    "the answer to the creation is lost",
			cluster: &fakeCluster{create: func() error { return broken }},
			want:    `^create relay pod in namespace app: connection lost$`,
		},
		{
			name:    "no sidecar",
			cluster: &fakeCluster{noSidecar: true, becomes: ready},
			want:    `^relay pod in namespace app got no sidecar: Istio injects one where the labels of the namespace ask for it \(istio-injection or istio.io/rev\) and istiod runs$`,
		},
		{
			name:    "no image",
			cluster: &fakeCluster{becomes: waiting("ImagePullBackOff", `Back-off pulling image "nginx"`)},
			want:    `^relay pod app/canary-requests-\w+ cannot start: container relay: ImagePullBackOff: Back-off pulling image "nginx"$`,
		},
		{
			name:    "evicted",
			cluster: &fakeCluster{becomes: corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "low on memory"}},
			want:    `^relay pod app/canary-requests-\w+ cannot start: Evicted: low on memory$`,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Open(t.Context(), c.cluster, options)
			require.Error(t, err)
			require.Regexp(t, c.want, err.Error())
			require.Empty(t, c.cluster.names())
		})
	}
}

func TestOpenTimesOutWithTheReason(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		becomes corev1.PodStatus
		want    string
	}{
		{
			name: "no node",
			becomes: corev1.PodStatus{Conditions: []corev1.PodCondition{{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available",
			}}},
			want: "Unschedulable: 0/1 nodes are available",
		},
		{
			name: "nginx ends",
			becomes: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
				Name:                 container,
				State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
				LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Message: "host not found in upstream\n"}},
			}}},
			want: "container relay: CrashLoopBackOff; its last run ended with exit code 1: host not found in upstream",
		},
		{
			name: "the sidecar is not ready",
			becomes: corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{{
				Name: "istio-proxy", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
			}}},
			want: "container istio-proxy: runs and is not ready",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cluster := &fakeCluster{becomes: c.becomes}
				_, err := Open(t.Context(), cluster, options)
				require.ErrorContains(t, err, "is not ready after 2m0s: "+c.want)
				require.Empty(t, cluster.names())
			})
		})
	}
}

func TestOpenWaitsForNginx(t *testing.T) {
	t.Parallel()
	cluster := &fakeCluster{becomes: ready, nginx: fakeNginx(t, "503 Service Unavailable")}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := Open(ctx, cluster, options)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, cluster.names())
}

func TestInterruptedOpenLeavesNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("signal")
	cluster := &fakeCluster{create: func() error { cancel(stop); return nil }}
	_, err := Open(ctx, cluster, options)
	require.Error(t, err)
	require.Empty(t, cluster.names())
	require.Len(t, cluster.deleted, 1)
}

func TestCloseSaysWhatMayBeLeft(t *testing.T) {
	t.Parallel()
	cluster := &fakeCluster{becomes: ready, nginx: fakeNginx(t, "204 No Content"), remove: func() error { return errors.New("gone away") }}
	relay, err := Open(t.Context(), cluster, options)
	require.NoError(t, err)
	require.Regexp(t, "^relay pod app/(canary-requests-\\w+) may still be there \\(gone away\\): remove it with `kubectl --namespace app delete pod canary-requests-\\w+`$", relay.Close().Error())
}

func TestOpenRemovesLeftOvers(t *testing.T) {
	t.Parallel()
	cluster := &fakeCluster{becomes: ready, nginx: fakeNginx(t, "204 No Content")}
	ended := podOfAge("ended", time.Minute, nil)
	ended.Status.Phase = corev1.PodFailed
	cluster.pods = []corev1.Pod{
		ended,
		podOfAge("old", 11*time.Minute, nil),
		podOfAge("older than it may be", 31*time.Minute, new(int64(1800))),
		podOfAge("long run", 29*time.Minute, new(int64(1800))),
		podOfAge("young", 9*time.Minute, nil),
	}
	relay, err := Open(t.Context(), cluster, options)
	require.NoError(t, err)
	require.Equal(t, []string{"ended", "old", "older than it may be"}, cluster.deleted)
	require.Equal(t, []string{"long run", "young", relay.name}, cluster.names())
}

func TestLifetime(t *testing.T) {
	t.Parallel()
	cluster := &fakeCluster{becomes: ready, nginx: fakeNginx(t, "204 No Content")}
	o := options
	o.Lifetime = time.Second
	_, err := Open(t.Context(), cluster, o)
	require.NoError(t, err)
	require.EqualValues(t, 600, *cluster.pods[0].Spec.ActiveDeadlineSeconds)
}

// Where the namespace leaves it to its pods whose sidecar they get, the relay asks as the
// app does.
func TestRelayHasTheRevisionOfTheApp(t *testing.T) {
	t.Parallel()
	app := podOfAge("shop-1", time.Minute, nil)
	app.Labels = map[string]string{"istio.io/rev": "1-31"}
	cluster := &fakeCluster{becomes: ready, nginx: fakeNginx(t, "204 No Content"), pods: []corev1.Pod{app}}
	_, err := Open(t.Context(), cluster, options)
	require.NoError(t, err)
	require.Equal(t, "1-31", cluster.pods[1].Labels["istio.io/rev"])
}
