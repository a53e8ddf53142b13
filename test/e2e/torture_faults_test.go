//go:build e2e && faults

package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canary/internal/release"
	"canary/test/e2e/harness"
	"canary/test/load"
	"canary/test/torture"
)

// tortureFault is a kind of fault. Before it the configuration has what the kind changes of the release; after it there is
// `make up`.
type tortureFault struct {
	torture.Kind
	do func(t *testing.T, s *scene) // nil: `make up` is all
	// unloaded is done in place of it, before there is load.
	unloaded func(t *testing.T, x *torturing, step torture.Step)
	hand     bool // the step's weight by hand is in force meanwhile
	// grants says in words which requests may fail; do grants them in numbers.
	grants string
}

// allows says whether a split may be in force during a step.
func (f tortureFault) allows(split release.Split, step torture.Step) bool {
	return split.Equal(splitOf(step.Old.Weight)) || split.Equal(splitOf(step.New.Weight)) || f.hand && split.Equal(splitOf(step.Hand))
}

func splitOf(canary int) release.Split {
	return release.Split{Stable: int32(100 - canary), Canary: int32(canary)}
}

const (
	often, rarely = 4, 1

	none = "none"
	// In the table of docs/no-lost-request.md it was 0.6 of that at most.
	lostNode = "as large a share of what is sent while it is away, and 5 s more, as goes by its pods, its gateways, and its port"
)

var tortures = []tortureFault{
	{Kind: torture.Kind{Name: "weight changed", Often: often, Weight: true}, grants: none},
	{Kind: torture.Kind{Name: "canary's image rolled", Often: often, Image: true}, grants: none},
	{Kind: torture.Kind{Name: "weight and image changed", Often: often, Weight: true, Image: true}, grants: none},
	killedDuringUp(theCLI),
	killedDuringUp(everything),
	killedDuringUp(theProgram),
	killedDuringUp(theProvider),
	lostAgent(nodeFaults[0]),
	lostAgent(nodeFaults[1]),
	lostAgent(nodeFaults[2]),
	{Kind: torture.Kind{Name: "agent drained", Often: often}, do: drainAgent, grants: none},
	{Kind: torture.Kind{Name: "server node restarted", Often: often}, do: restartServer, grants: lostNode},
	{
		Kind: torture.Kind{Name: "load balancer restarted", Often: often}, do: restartLoadBalancer,
		grants: "what comes in while it is away, and 2 s more: nothing else leads to the cluster",
	},
	{Kind: torture.Kind{Name: "istiod restarted during a change", Often: often, Weight: true, Image: true}, do: restartIstiod, grants: none},
	{Kind: torture.Kind{Name: "istiod away during a change", Often: often, Weight: true}, do: changeWithoutIstiod, grants: none},
	{Kind: torture.Kind{Name: "webhook of the sidecars deleted", Often: often}, do: loseInjector, grants: none},
	{Kind: torture.Kind{Name: "that webhook's caBundle deleted", Often: often}, do: loseCABundle, grants: none},
	{Kind: torture.Kind{Name: "pod of the app deleted", Often: often}, do: deletePod, grants: none},
	{Kind: torture.Kind{Name: "ingress gateway restarted", Often: often}, do: restartGateway, grants: none},
	{Kind: torture.Kind{Name: "weights changed by hand", Often: often}, do: changeByHand, hand: true, grants: none},
	{
		Kind:     torture.Kind{Name: "everything destroyed and made anew", Often: rarely, Weight: true, Image: true},
		unloaded: func(t *testing.T, x *torturing, step torture.Step) { x.remake(t, step) }, grants: "none; nothing is sent meanwhile",
	},
}

// scene is a step under load.
type scene struct {
	*harness.LoadRun
	step    torture.Step
	granted map[string]float64 // requests that may fail, by path
}

// grant lets a share of what each path sends in a time fail.
func (s *scene) grant(ingress, mesh float64, within time.Duration) {
	s.granted[load.Ingress] += ingress * tortureRate * within.Seconds()
	s.granted[load.Mesh] += mesh * tortureRate * within.Seconds()
}

// reach is the share of each path's requests that goes by a node at most: by the app's pods there, and from outside by the
// gateways there or by its own port, one of those behind the load balancer.
func (s *scene) reach(t *testing.T, node string) (ingress, mesh float64) {
	t.Helper()
	share := func(pods []corev1.Pod) float64 {
		on := 0.0
		for _, pod := range pods {
			if pod.Spec.NodeName == node {
				on++
			}
		}
		return on / float64(max(1, len(pods)))
	}
	canary := float64(s.step.Old.Weight) / 100
	mesh = (1-canary)*share(harness.PodsOf(t, s.Client, harness.AppName, harness.AppName, release.Stable)) +
		canary*share(harness.PodsOf(t, s.Client, harness.AppName, harness.AppName, release.Canary))
	gateways, err := s.Client.Pods(t.Context(), harness.MeshNamespace, harness.IngressSelector)
	require.NoError(t, err)
	port := 1 / float64(len(agents)+1)
	return 1 - (1-mesh)*(1-share(gateways))*(1-port), mesh
}

// duringUp does something a while into an `up`, or when that is over, and waits for its end, whatever it comes to.
func (s *scene) duringUp(t *testing.T, do func(up *exec.Cmd)) {
	t.Helper()
	cmd, log := startPulumi(t, s.Project, harness.UpArgs...)
	ended := make(chan struct{})
	var result error
	go func() { defer close(ended); result = cmd.Wait() }()
	t.Cleanup(func() {
		select {
		case <-ended:
		default:
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
	})
	select {
	case <-ended:
		t.Logf("up was over within %v", s.step.Into)
	case <-time.After(s.step.Into):
	}
	do(cmd)
	harness.Eventually(t, 10*time.Minute, func(context.Context) error {
		select {
		case <-ended:
			return nil
		default:
			return errors.New("up does not end")
		}
	})
	said, _ := os.ReadFile(log)
	t.Logf("up came to: %v\n%s", result, harness.LastLines(string(said), 12))
}

func killedDuringUp(v victim) tortureFault {
	return tortureFault{
		Kind:   torture.Kind{Name: v.name + " killed during up", Often: often, Weight: true, Image: true},
		grants: none,
		do: func(t *testing.T, s *scene) {
			s.duringUp(t, func(up *exec.Cmd) { t.Logf("%d processes of %s killed", v.kill(up), v.name) })
		},
	}
}

func lostAgent(fault nodeFault) tortureFault {
	return tortureFault{
		Kind:   torture.Kind{Name: "agent " + fault.name, Often: often},
		grants: lostNode,
		do: func(t *testing.T, s *scene) {
			s.loseNode(t, s.Node(agents[s.step.Agent]), func(container string) {
				onNode(t, s.Project, fault.begin, container)
				time.Sleep(s.step.Lasts)
				onNode(t, s.Project, fault.end, container)
			})
		},
	}
}

// loseNode takes a node away and brings it back, and grants what the table of lost nodes does.
func (s *scene) loseNode(t *testing.T, node string, lose func(container string)) {
	t.Helper()
	const back = 5 * time.Second
	ingress, mesh := s.reach(t, node)
	t.Logf("%s holds %s", node, holds(t, s.Client, strings.TrimPrefix(node, s.Node(""))))
	begin := time.Now()
	lose(node)
	s.grant(ingress, mesh, time.Since(begin)+back)
}

func drainAgent(t *testing.T, s *scene) {
	drainNode(t, s.Client, s.Node(agents[s.step.Agent]))
}

func restartServer(t *testing.T, s *scene) {
	s.loseNode(t, s.Node("server-0"), func(container string) {
		s.Docker(t, "restart", "-t", "1", container)
		s.awaitAPI(t)
	})
}

func restartLoadBalancer(t *testing.T, s *scene) {
	const back = 2 * time.Second
	begin := time.Now()
	s.Docker(t, "restart", "-t", "1", s.Node("serverlb"))
	s.awaitAPI(t) // by way of it, too
	s.grant(1, 0, time.Since(begin)+back)
}

func (s *scene) awaitAPI(t *testing.T) {
	t.Helper()
	harness.Eventually(t, 3*time.Minute, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, err := harness.Objects(s.Client, harness.Nodes, "").List(ctx, metav1.ListOptions{})
		return err
	})
}

func restartIstiod(t *testing.T, s *scene) {
	s.duringUp(t, func(*exec.Cmd) { harness.Restart(t, s.Client, harness.MeshNamespace, "istiod") })
}

// changeWithoutIstiod brings up what the API server refuses.
func changeWithoutIstiod(t *testing.T, s *scene) {
	scaleIstiod(t, s.Client, 0)
	harness.Drained(t, s.Client, harness.MeshNamespace)
	refused := s.Attempt(t, harness.UpArgs...)
	t.Logf("up: exit code %d after %.1f s: %s", refused.Code, refused.Took.Seconds(), harness.LastLines(refused.All, 12))
	split, err := release.LiveSplit(t.Context(), s.Client, release.App{Namespace: harness.AppName, Name: harness.AppName})
	require.NoError(t, err)
	require.NotZero(t, refused.Code, refused.All)
	require.True(t, split.Equal(splitOf(s.step.Old.Weight)), "the split in force is %s", split)
	scaleIstiod(t, s.Client, 1)
}

func loseInjector(t *testing.T, s *scene) {
	deleteInjector(t, s.Client)
	mendInjector(t, s.Project)
	requireAgrees(t, s.Project)
}

// loseCABundle takes the caBundle away while istiod is, which would write it again at once, and follows status.
func loseCABundle(t *testing.T, s *scene) {
	scaleIstiod(t, s.Client, 0)
	harness.Drained(t, s.Client, harness.MeshNamespace)
	removeCABundle(t, s.Client)
	status := s.AttemptCommand(t, "canary", "status", "--stack", s.Stack)
	require.Equal(t, 1, status.Code, status.All)
	require.Contains(t, status.All, "MutatingWebhookConfiguration "+sidecarInjector+" has no caBundle")
	require.Contains(t, status.All, "`kubectl -n istio-system scale deployment istiod --replicas=1` brings them back")
	scaleIstiod(t, s.Client, 1)
	requireAgrees(t, s.Project)
}

func deletePod(t *testing.T, s *scene) {
	pods := append(harness.PodsOf(t, s.Client, harness.AppName, harness.AppName, release.Stable),
		harness.PodsOf(t, s.Client, harness.AppName, harness.AppName, release.Canary)...)
	pod := pods[s.step.Pick%len(pods)]
	t.Logf("pod %s is deleted", pod.Name)
	require.NoError(t, harness.Objects(s.Client, harness.PodResource, harness.AppName).Delete(t.Context(), pod.Name, metav1.DeleteOptions{}))
}

func restartGateway(t *testing.T, s *scene) {
	harness.Restart(t, s.Client, harness.MeshNamespace, harness.IngressName)
}

// changeByHand writes another weight, which `up --refresh` takes back: one that gives the canary less may be a roll back,
// and plain `up` leaves it.
func changeByHand(t *testing.T, s *scene) {
	weighByHand(t, s.Client, s.step.Hand)
	s.Pulumi(t, append(harness.UpArgs, "--refresh")...)
}
