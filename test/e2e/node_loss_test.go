//go:build e2e && faults

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"canary/internal/kube"
	"canary/internal/traffic"
	"canary/test/e2e/harness"
	"canary/test/load"
)

// nodeFault is a way to lose a node for a while, as arguments of docker; NODE is its container.
type nodeFault struct {
	name       string
	begin, end string
	lasts      time.Duration
}

var nodeFaults = []nodeFault{
	{name: "paused", begin: "pause NODE", end: "unpause NODE", lasts: 12 * time.Second},
	{name: "stopped", begin: "stop -t 1 NODE", end: "start NODE", lasts: 8 * time.Second},
	{
		name:  cutOff, // nothing gets in any more
		begin: "exec NODE iptables -t raw -I PREROUTING -i eth0 -j DROP", end: "exec NODE iptables -t raw -D PREROUTING -i eth0 -j DROP",
		lasts: 12 * time.Second,
	},
}

const cutOff = "cut off"

// onNode runs one of a nodeFault's commands on a container.
func onNode(t *testing.T, p *harness.Project, command, container string) {
	t.Helper()
	p.Docker(t, strings.Fields(strings.ReplaceAll(command, "NODE", container))...)
}

// nodeLossRuns are what is compared: the pods of each subset, and the setting outlierDetection.
var nodeLossRuns = []struct {
	pods     int
	outliers bool
}{{1, false}, {2, false}, {2, true}, {3, true}}

// TestNodeLoss takes each agent away under load, with one, two and three pods of each subset, without and with outlierDetection;
// in one of these runs also the server and the load balancer, and then it drains each agent in turn.
// It writes what became of the requests to the file FAULTS_REPORT, if it is set. LOAD_RATE is the requests per second of the
// drain (200).
func TestNodeLoss(t *testing.T) {
	images := harness.LoadImages(t, "a")
	p := harness.NewLoadStack(t, images)
	p.SetAll(t, fmt.Sprintf("agents=%d", len(agents)), "canaryWeight=50")
	var losses []*loss
	var drained *traffic.Tally
	for _, run := range nodeLossRuns {
		p.SetAll(t, fmt.Sprintf("stableReplicas=%d", run.pods), fmt.Sprintf("canaryReplicas=%d", run.pods), fmt.Sprintf("outlierDetection=%t", run.outliers))
		p.Up(t)
		client := p.Client(t)
		harness.Drained(t, client, harness.AppName)
		requireApart(t, client, run.pods)
		nodes, fully := agents, run.pods == 2 && run.outliers
		if fully {
			nodes = append(slices.Clone(agents), "server-0", balancer)
		}
		for _, fault := range nodeFaults {
			for _, node := range nodes {
				if node == balancer && fault.name == cutOff {
					continue // it has no iptables
				}
				whole(t, client)
				l := withoutNode(t, p, client, images["a"], node, fault)
				l.pods, l.outliers = run.pods, run.outliers
				t.Log(l)
				losses = append(losses, l)
			}
		}
		if fully {
			whole(t, client)
			drained = drainInTurn(t, p, client)
		}
	}
	if file := os.Getenv("FAULTS_REPORT"); file != "" {
		require.NoError(t, os.WriteFile(file, []byte(faultsReport(t, losses, drained)), 0o644))
	}

	if drained.Failed() > 0 {
		t.Errorf("while the agents were drained %d of %d requests failed: %v", drained.Failed(), drained.Requests(), drained.Failures())
	}
	for _, l := range losses {
		if l.notFound() > 0 {
			t.Errorf("a gateway without routes answered: %s", l)
		}
		if l.pods < 2 || !l.outliers || !slices.Contains(agents, l.node) {
			continue
		}
		for path, way := range map[string]string{load.Ingress: kindIngress, load.Mesh: kindDNS} {
			if !strings.Contains(l.holds, way) && l.sentWithout(path) > mostLost {
				t.Errorf("by %s more than %d requests failed: %s", path, mostLost, l)
			}
		}
	}
}

// mostLost is how many of 2500 requests may fail that are sent when a node is away, where the other pods of a subset still serve,
// and the way to the app is not lost itself: connections to a gateway, and names.
const mostLost = 30

// The nodes that are lost, as k3d names them; the load balancer is a container, too.
var agents = []string{"agent-0", "agent-1", "agent-2"}

const balancer = "serverlb"

// requireApart fails the test when a node has two pods of a subset, of which there are no more than agents, or more of the
// app's pods than its share.
func requireApart(t *testing.T, client *kube.Client, pods int) {
	t.Helper()
	onNode := map[string]int{}
	for _, subset := range []string{"stable", "canary"} {
		ofSubset := map[string]int{}
		for _, pod := range harness.PodsOf(t, client, harness.AppName, harness.AppName, subset) {
			ofSubset[pod.Spec.NodeName]++
			onNode[pod.Spec.NodeName]++
		}
		for node, number := range ofSubset {
			require.Equal(t, 1, number, "pods of %s on %s", subset, node)
		}
	}
	for node, number := range onNode {
		require.LessOrEqual(t, number, (2*pods+len(agents)-1)/len(agents), "pods of the app on %s", node)
	}
}

// withoutNode sends 100 requests a second by each path for 25 s, and takes a node away after the first of them.
func withoutNode(t *testing.T, p *harness.Project, client *kube.Client, image, node string, fault nodeFault) *loss {
	t.Helper()
	const timeout, all = 5 * time.Second, 25 * time.Second
	sender := agents[(slices.Index(agents, node)+1)%len(agents)] // another one
	l := &loss{node: node, holds: holds(t, client, node), fault: fault.name, requests: map[string]int{}, lost: map[string][]load.Lost{}}
	r := p.StartLoad(t, image, load.Target{Rate: 100, Timeout: timeout, Node: p.Node(sender)})
	begin := time.Now()
	r.Step(fault.name, func() {
		onNode(t, p, fault.begin, p.Node(node))
		l.gone = time.Now()
		time.Sleep(fault.lasts)
		onNode(t, p, fault.end, p.Node(node))
	})
	r.Step("back", func() { time.Sleep(all - time.Since(begin)) })
	r.Finish(timeout)
	for _, lost := range r.Journal.Lost() {
		l.lost[lost.Source] = append(l.lost[lost.Source], lost)
	}
	for _, path := range paths {
		l.requests[path] = r.Journal.Requests(path)
	}
	t.Log(load.Describe(r.Journal.Lost(), 10))
	return l
}

// drainInTurn drains the agents one after the other, as `kubectl drain` and `kubectl uncordon` do, under load.
func drainInTurn(t *testing.T, p *harness.Project, client *kube.Client) *traffic.Tally {
	t.Helper()
	finish := harness.Send(t, traffic.Options{URL: appURL(p), Method: "POST", Rate: harness.LoadRate(t), Timeout: 5 * time.Second})
	for _, agent := range agents {
		node := p.Node(agent)
		start := time.Now()
		drainNode(t, client, node)
		t.Logf("%s is drained after %.1f s", agent, time.Since(start).Seconds())
	}
	time.Sleep(5 * time.Second)
	tally := finish()
	t.Logf("drained: %d of %d requests failed: %v", tally.Failed(), tally.Requests(), tally.Failures())
	return tally
}

func drainNode(t *testing.T, client *kube.Client, node string) {
	t.Helper()
	require.NoError(t, harness.Cordon(t.Context(), client, node, true))
	evict(t, client, node)
	require.NoError(t, harness.Cordon(t.Context(), client, node, false))
}

func appURL(p *harness.Project) string {
	return fmt.Sprintf("http://%s.%s.localhost:%d/", harness.AppName, harness.AppName, p.Port)
}

// evict asks a node's pods to go elsewhere until they are gone. What a PodDisruptionBudget refuses it asks again.
func evict(t *testing.T, client *kube.Client, node string) {
	t.Helper()
	harness.Eventually(t, 5*time.Minute, func(ctx context.Context) error {
		var left []string
		for _, namespace := range []string{harness.AppName, harness.MeshNamespace} {
			pods, err := client.Pods(ctx, namespace, "")
			if err != nil {
				return err
			}
			for _, pod := range pods {
				if pod.Spec.NodeName != node {
					continue
				}
				left = append(left, pod.Name)
				if pod.DeletionTimestamp != nil {
					continue
				}
				_, err := harness.Objects(client, harness.PodResource, namespace).Create(ctx, &unstructured.Unstructured{Object: map[string]any{
					"apiVersion": "policy/v1", "kind": "Eviction", "metadata": map[string]any{"name": pod.Name, "namespace": namespace},
				}}, metav1.CreateOptions{}, "eviction")
				if err != nil && !apierrors.IsTooManyRequests(err) && !apierrors.IsNotFound(err) {
					return err
				}
			}
		}
		if len(left) > 0 {
			return fmt.Errorf("%s still has %s", node, strings.Join(left, ", "))
		}
		return nil
	})
}

// holds names what a node runs of the app and of the mesh, and whether it has the cluster's DNS.
func holds(t *testing.T, client *kube.Client, node string) string {
	t.Helper()
	byKind := map[string]int{}
	for _, of := range []struct{ namespace, selector string }{{harness.AppName, ""}, {harness.MeshNamespace, ""}, {"kube-system", "k8s-app=kube-dns"}} {
		pods, err := client.Pods(t.Context(), of.namespace, of.selector)
		require.NoError(t, err)
		for _, pod := range pods {
			if strings.HasSuffix(pod.Spec.NodeName, "-"+node) {
				byKind[kindOf(pod)]++
			}
		}
	}
	return counts(byKind)
}

const (
	kindDNS     = "DNS"
	kindIngress = "ingressgateway"
)

func kindOf(pod corev1.Pod) string {
	if subset := pod.Labels["app.kubernetes.io/subset"]; subset != "" {
		return subset
	}
	if gateway := pod.Labels["istio"]; gateway != "" && gateway != "pilot" {
		return gateway
	}
	if pod.Namespace == "kube-system" {
		return kindDNS
	}
	return "istiod"
}

// whole waits until every node and every pod is ready, and has been for a while.
func whole(t *testing.T, client *kube.Client) {
	t.Helper()
	since := time.Now()
	harness.Eventually(t, 4*time.Minute, func(ctx context.Context) error {
		if err := broken(ctx, client); err != nil {
			since = time.Now()
			return err
		}
		if time.Since(since) < 10*time.Second {
			return errors.New("it was not whole for 10 s")
		}
		return nil
	})
}

func broken(ctx context.Context, client *kube.Client) error {
	nodes, err := harness.Objects(client, harness.Nodes, "").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, node := range nodes.Items {
		conditions, _, _ := unstructured.NestedSlice(node.Object, "status", "conditions")
		if !slices.ContainsFunc(conditions, func(condition any) bool {
			c := condition.(map[string]any)
			return c["type"] == "Ready" && c["status"] == "True"
		}) {
			return fmt.Errorf("node %s is not ready", node.GetName())
		}
	}
	for _, namespace := range []string{harness.AppName, harness.MeshNamespace, "kube-system"} {
		pods, err := client.Pods(ctx, namespace, "")
		if err != nil {
			return err
		}
		for _, pod := range pods {
			if !kube.Ready(&pod) || pod.DeletionTimestamp != nil {
				return fmt.Errorf("pod %s/%s is not ready", namespace, pod.Name)
			}
		}
	}
	return nil
}
