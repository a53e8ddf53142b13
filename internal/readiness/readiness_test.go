package readiness

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"canary/internal/kube"
	"canary/internal/release"
)

func TestWaitReady(t *testing.T) {
	t.Parallel()
	crashing := func() corev1.Pod {
		return with("new", podWith(corev1.ContainerStatus{RestartCount: 2, State: waitingFor("CrashLoopBackOff", "").State, LastTerminationState: ended(3, "Error", "")}))
	}
	for name, tc := range map[string]struct {
		subsets map[string]release.Pods
		work    fakeWorkloads
		after   time.Duration
		want    string // "" for success
	}{
		"ready at once": {
			subsets: map[string]release.Pods{release.Stable: release.Fixed(1), release.Canary: release.Fixed(2)},
			work: fakeWorkloads{build: func(time.Duration) snapshot {
				return deployed(release.Stable, readyPod("new")).and(deployed(release.Canary, readyPod("new"), readyPod("new"), endingPod("old")))
			}},
		},
		"ready, but without a sidecar": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work:    fakeWorkloads{repair: "type this", build: func(time.Duration) snapshot { return deployed(release.Canary, plainPod()) }},
			want: "subset canary: 0 of 1 pods ready: pod canary-0: NoSidecar: it has no container istio-proxy, so its traffic is neither split nor encrypted; " +
				"type this",
		},
		"ready, but without a sidecar, and nobody may know why": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work:    fakeWorkloads{build: func(time.Duration) snapshot { return deployed(release.Canary, plainPod()) }},
			want: "subset canary: 0 of 1 pods ready: pod canary-0: NoSidecar: it has no container istio-proxy, so its traffic is neither split nor encrypted; " +
				"check the labels of namespace ns and Istio's webhooks that inject sidecars",
		},
		"an autoscaler wants more": {
			subsets: map[string]release.Pods{release.Canary: {Min: 1, Max: 3}},
			work: fakeWorkloads{build: func(since time.Duration) snapshot {
				pods := []corev1.Pod{readyPod("new")}
				if since > 5*time.Second {
					pods = append(pods, readyPod("new"))
				}
				s := deployed(release.Canary, pods...)
				s.deployments[0].Spec.Replicas = new(int32(2))
				return s
			}},
			after: 8 * time.Second,
		},
		"nothing wanted": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(0)},
			work:    fakeWorkloads{build: func(time.Duration) snapshot { return snapshot{} }},
		},
		"ready for a moment, again and again": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work: fakeWorkloads{build: func(since time.Duration) snapshot {
				switch {
				case since < 10*time.Second:
					return deployed(release.Canary, startingPod())
				case since < 12*time.Second:
					return deployed(release.Canary, readyPod("new"))
				case since < 14*time.Second:
					again := readyPod("new")
					again.Status.ContainerStatuses[0].RestartCount = 1
					again.Status.ContainerStatuses[0].LastTerminationState = ended(3, "Error", "")
					return deployed(release.Canary, again)
				}
				return deployed(release.Canary, crashing())
			}},
			after: 14 * time.Second,
			want:  "subset canary: 0 of 1 pods ready: pod canary-0: container app: CrashLoopBackOff: exited with code 3, restarted 2 times",
		},
		"ready, but restarted a moment ago": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work: fakeWorkloads{build: func(since time.Duration) snapshot {
				if since > time.Second {
					return deployed(release.Canary, crashing())
				}
				again := readyPod("new")
				again.Status.ContainerStatuses[0].RestartCount = 1
				again.Status.ContainerStatuses[0].LastTerminationState = ended(3, "Error", "")
				again.Status.ContainerStatuses[0].LastTerminationState.Terminated.FinishedAt = metav1.Now()
				return deployed(release.Canary, again)
			}},
			after: time.Second,
			want:  "subset canary: 0 of 1 pods ready: pod canary-0: container app: CrashLoopBackOff: exited with code 3, restarted 2 times",
		},
		"ready for long, and restarted long ago": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work: fakeWorkloads{build: func(time.Duration) snapshot {
				pod := readyPod("new")
				pod.Status.ContainerStatuses[0].RestartCount = 1
				pod.Status.ContainerStatuses[0].LastTerminationState = ended(3, "Error", "")
				pod.Status.ContainerStatuses[0].LastTerminationState.Terminated.FinishedAt = metav1.NewTime(time.Now().Add(-2 * restartCounts))
				return deployed(release.Canary, pod)
			}},
		},
		"pods of the version before do not count": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work: fakeWorkloads{build: func(since time.Duration) snapshot {
				switch {
				case since < 20*time.Second:
					return deployed(release.Canary, readyPod("old"))
				case since < 40*time.Second:
					return deployed(release.Canary, readyPod("old"), startingPod())
				case since < 60*time.Second:
					return deployed(release.Canary, readyPod("old"), readyPod("new"))
				}
				return deployed(release.Canary, endingPod("old"), readyPod("new"))
			}},
			after: 60 * time.Second,
		},
		"a change that the controller has not seen": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work: fakeWorkloads{build: func(since time.Duration) snapshot {
				s := deployed(release.Canary, readyPod("new"))
				s.deployments[0].Generation = 2
				s.deployments[0].Status.ObservedGeneration = 1 + int64(since/(5*time.Second))
				return s
			}},
			after: 5*time.Second + steadyAfter,
		},
		"crash loop with log": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(2)},
			work:    fakeWorkloads{logs: "start\npanic: no config\n", build: func(time.Duration) snapshot { return deployed(release.Canary, readyPod("new"), crashing()) }},
			want:    "subset canary: 1 of 2 pods ready: pod canary-1: container app: CrashLoopBackOff: exited with code 3, restarted 2 times; last log line: \"panic: no config\"; see `kubectl logs -n ns canary-1 -c app --previous`",
		},
		"a program for another platform": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work:    fakeWorkloads{logs: "exec /app: exec format error\n", build: func(time.Duration) snapshot { return deployed(release.Canary, crashing()) }},
			want:    "subset canary: 0 of 1 pods ready: pod canary-0: container app: CrashLoopBackOff: exited with code 3, restarted 2 times; last log line: \"exec /app: exec format error\"; " + otherPlatform,
		},
		"crash loop without log": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work:    fakeWorkloads{build: func(time.Duration) snapshot { return deployed(release.Canary, crashing()) }},
			want:    "subset canary: 0 of 1 pods ready: pod canary-0: container app: CrashLoopBackOff: exited with code 3, restarted 2 times",
		},
		"missing image": {
			subsets: map[string]release.Pods{release.Stable: release.Fixed(1), release.Canary: release.Fixed(1)},
			work: fakeWorkloads{build: func(since time.Duration) snapshot {
				reason := "ErrImagePull"
				if since > 8*time.Second {
					reason = "ImagePullBackOff"
				}
				return deployed(release.Stable, readyPod("new")).and(deployed(release.Canary, with("new", podWith(waitingFor(reason, "not found")))))
			}},
			after: 8 * time.Second,
			want:  "subset canary: 0 of 1 pods ready: pod canary-0: container app: ImagePullBackOff: not found; check the image's name and tag; a private registry needs `imagePullSecret`, an image that only this machine has needs `importImages`",
		},
		"unschedulable": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work: fakeWorkloads{build: func(time.Duration) snapshot {
				return deployed(release.Canary, with("new", unplaced("0/4 nodes are available")))
			}},
			after: shortPatience,
			want:  "subset canary: 0 of 1 pods ready: pod canary-0: Unschedulable: 0/4 nodes are available; no node can take the pod: free or add capacity, or ask for less",
		},
		"unschedulable for a moment": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work: fakeWorkloads{build: func(since time.Duration) snapshot {
				if since < 8*time.Second {
					return deployed(release.Canary, with("new", unplaced("0/4 nodes are available")))
				}
				return deployed(release.Canary, readyPod("new"))
			}},
			after: 8*time.Second + steadyAfter,
		},
		"bad probe": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work: fakeWorkloads{
				build: func(time.Duration) snapshot { return deployed(release.Canary, startingPod()) },
				event: []corev1.Event{event(corev1.EventTypeWarning, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404", 1)},
			},
			after: probePatience,
			want:  "subset canary: 0 of 1 pods ready: pod canary-0: container app: Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 404; check `containerPort`, `readinessPath` and `readinessProtocol`",
		},
		"an app that starts slowly": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work: fakeWorkloads{
				build: func(since time.Duration) snapshot {
					if since < 4*time.Minute {
						return deployed(release.Canary, with("new", slowStarter(false)))
					}
					return deployed(release.Canary, readyPod("new"))
				},
				event: []corev1.Event{event(corev1.EventTypeWarning, "Unhealthy", "Startup probe failed: connection refused", 1)},
			},
			after: 4*time.Minute + steadyAfter,
		},
		"an app that starts too slowly": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work: fakeWorkloads{
				build: func(time.Duration) snapshot { return deployed(release.Canary, with("new", slowStarter(false))) },
				event: []corev1.Event{event(corev1.EventTypeWarning, "Unhealthy", "Startup probe failed: connection refused", 1)},
			},
			after: 5 * time.Minute,
			want: "subset canary: 0 of 1 pods ready: pod canary-0: container app: Unhealthy: Startup probe failed: connection refused; " +
				"check `containerPort`, `readinessPath` and `readinessProtocol`, or give the app more than its 5m0s in `startSeconds`",
		},
		"quota": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work:    fakeWorkloads{build: func(time.Duration) snapshot { return refused("exceeded quota: q") }},
			after:   shortPatience,
			want:    "subset canary: 0 of 1 pods ready: FailedCreate: exceeded quota: q; the namespace does not admit the pod: check its quota, its limit ranges and its admission webhooks",
		},
		"istiod is away": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work:    fakeWorkloads{build: func(time.Duration) snapshot { return refused(webhookFails + "connect: connection refused") }},
			after:   awayPatience,
			want: "subset canary: 0 of 1 pods ready: FailedCreate: " + webhookFails + "connect: connection refused; " +
				"istiod, which gives pods their sidecars, does not answer: check it (`kubectl get pods -A -l app=istiod`), then `pulumi up` again",
		},
		"istiod is not trusted": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work: fakeWorkloads{build: func(time.Duration) snapshot {
				return refused(webhookFails + "x509: certificate signed by unknown authority")
			}},
			after: shortPatience,
			want: "subset canary: 0 of 1 pods ready: FailedCreate: " + webhookFails + "x509: certificate signed by unknown authority; " +
				"the API server does not trust istiod, which gives pods their sidecars; istiod writes its certificate into its webhook " +
				"when it starts: `kubectl -n istio rollout restart deployment -l app=istiod`",
		},
		"somebody's webhook is away": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work:    fakeWorkloads{build: func(time.Duration) snapshot { return refused(`failed calling webhook "pods.example.com": EOF`) }},
			after:   shortPatience,
			want: `subset canary: 0 of 1 pods ready: FailedCreate: failed calling webhook "pods.example.com": EOF; ` +
				"the webhook that the message names has to answer before a pod is made: check who serves it",
		},
		"no Deployment": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work:    fakeWorkloads{build: func(time.Duration) snapshot { return deployed(release.Stable, readyPod("new")) }},
			after:   shortPatience,
			want:    "subset canary: 0 of 1 pods ready: NoDeployment: namespace app-example has no Deployment with the labels app.kubernetes.io/name=app-example and app.kubernetes.io/subset=canary; `pulumi up --refresh` makes it again",
		},
		"no progress": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work:    fakeWorkloads{build: func(time.Duration) snapshot { return deployed(release.Canary, startingPod()) }},
			after:   progressLimit,
			want:    "subset canary: 0 of 1 pods ready: pod canary-0: container app: NotReady: runs, but is not ready (no progress for 2m0s); `kubectl describe` of the pod or its Deployment tells more",
		},
		"pods that are replaced again and again": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work: fakeWorkloads{build: func(since time.Duration) snapshot {
				s := deployed(release.Canary, startingPod())
				s.pods[0].UID = types.UID(fmt.Sprint(since / (30 * time.Second)))
				return s
			}},
			after: progressLimit,
			want:  "no progress for 2m0s",
		},
		"a large image": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work: fakeWorkloads{
				event: []corev1.Event{event(corev1.EventTypeNormal, "Pulling", `Pulling image "large"`, 1)},
				build: func(since time.Duration) snapshot {
					if since < 5*time.Minute {
						return deployed(release.Canary, with("new", podWith(waitingFor("ContainerCreating", ""))))
					}
					return deployed(release.Canary, readyPod("new"))
				},
			},
			after: 5*time.Minute + steadyAfter,
		},
		"progress starts anew for a subset that was ready": {
			subsets: map[string]release.Pods{release.Stable: release.Fixed(1), release.Canary: release.Fixed(1)},
			work: fakeWorkloads{
				event: []corev1.Event{event(corev1.EventTypeNormal, "Pulling", `Pulling image "large"`, 1)},
				build: func(since time.Duration) snapshot {
					canary := readyPod("new")
					if since < 5*time.Minute {
						canary = with("new", podWith(waitingFor("ContainerCreating", "")))
					}
					stable := readyPod("new")
					if since > 4*time.Minute && since < 5*time.Minute+45*time.Second {
						stable = startingPod()
					}
					return deployed(release.Stable, stable).and(deployed(release.Canary, canary))
				},
			},
			after: 5*time.Minute + 45*time.Second + steadyAfter,
		},
		"API server restarts": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work: fakeWorkloads{
				build: func(time.Duration) snapshot { return deployed(release.Canary, readyPod("new")) },
				failing: func(since time.Duration) error {
					if since < 10*time.Second {
						return &kube.UnreachableError{Server: "https://x", Err: errors.New("refused")}
					}
					return nil
				},
			},
			after: 10 * time.Second,
		},
		"cluster is stopped": {
			subsets: map[string]release.Pods{release.Canary: release.Fixed(1)},
			work: fakeWorkloads{failing: func(time.Duration) error {
				return &kube.UnreachableError{Server: "https://x", Err: errors.New("refused")}
			}},
			after: kube.OutageLimit,
			want:  "waiting for pods: cluster not reachable at https://x (refused): is it stopped?",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tc.work.start = time.Now()
				err := newReadiness(&tc.work, exampleApp, tc.subsets, nil).wait(t.Context())
				require.InDelta(t, tc.after, time.Since(tc.work.start), float64(2*longLook), "%v", err)
				if tc.want == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, tc.want)
			})
		})
	}
}

func TestWaitReadyReports(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		work := fakeWorkloads{start: time.Now(), build: func(since time.Duration) snapshot {
			canary := with("new", podWith(waitingFor("ErrImagePull", "")))
			if since > 5*time.Second {
				canary = readyPod("new")
			}
			return deployed(release.Stable, readyPod("new")).and(deployed(release.Canary, readyPod("old"), canary))
		}}
		var lines []string
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := newReadiness(&work, exampleApp, map[string]release.Pods{release.Stable: release.Fixed(1), release.Canary: release.Fixed(1)}, func(line string) { lines = append(lines, line) }).wait(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "canary: 1 of 1 pods ready, 1 of the version before still there")
		require.Equal(t, strings.Split(`stable: 1 of 1 pods ready; canary: 0 of 1 pods ready, 1 of the version before still there (ErrImagePull)
stable: 1 of 1 pods ready; canary: 1 of 1 pods ready, 1 of them for less than 3s, 1 of the version before still there
stable: 1 of 1 pods ready; canary: 1 of 1 pods ready, 1 of the version before still there`, "\n"), lines)
	})
}

func TestWaitReadyReportsAnAppThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		work := fakeWorkloads{
			start: time.Now(),
			build: func(since time.Duration) snapshot {
				if since < time.Minute {
					return deployed(release.Canary, with("new", slowStarter(false)))
				}
				return deployed(release.Canary, readyPod("new"))
			},
			event: []corev1.Event{event(corev1.EventTypeWarning, "Unhealthy", "Startup probe failed: connection refused", 1)},
		}
		told := map[string]time.Duration{}
		report := func(line string) { told[line] = time.Since(work.start).Round(time.Second) }
		require.NoError(t, newReadiness(&work, exampleApp, map[string]release.Pods{release.Canary: release.Fixed(1)}, report).wait(t.Context()))
		require.Equal(t, map[string]time.Duration{
			"canary: 0 of 1 pods ready (Unhealthy)": 0,
			"canary: 0 of 1 pods ready (Unhealthy: Startup probe failed: connection refused; " +
				"check `containerPort`, `readinessPath` and `readinessProtocol`, or give the app more than its 5m0s in `startSeconds`)": 11 * time.Second,
			"canary: 1 of 1 pods ready, 1 of them for less than 3s": time.Minute + time.Second,
			"canary: 1 of 1 pods ready":                             time.Minute + 4*time.Second,
		}, told)
	})
}

func TestNotReadyErrorIsTyped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		work := fakeWorkloads{start: time.Now(), build: func(time.Duration) snapshot {
			return deployed(release.Canary, with("new", podWith(waitingFor("InvalidImageName", "bad"))))
		}}
		err := newReadiness(&work, exampleApp, map[string]release.Pods{release.Canary: release.Fixed(1)}, nil).wait(t.Context())
		var notReady *NotReadyError
		require.ErrorAs(t, err, &notReady)
		require.Equal(t, NotReadyError{
			Subset: release.Canary, Wanted: 1, Pod: "canary-0", Container: "app", Reason: "InvalidImageName", Message: "bad", Advice: "correct the image's name",
		}, *notReady)
	})
}
