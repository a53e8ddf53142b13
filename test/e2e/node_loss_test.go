//go:build e2e && faults

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	"canary/internal/pins"
	"canary/internal/traffic"
	"canary/test/e2e/harness"
	"canary/test/load"
	"canary/test/machine"
)

// nodeFault is a way to lose a node for a while, as arguments of docker before the name of its container.
type nodeFault struct {
	name       string
	begin, end []string
	lasts      time.Duration
}

var nodeFaults = []nodeFault{
	{name: "paused", begin: []string{"pause"}, end: []string{"unpause"}, lasts: 12 * time.Second},
	{name: "stopped", begin: []string{"stop", "--time", "1"}, end: []string{"start"}, lasts: 8 * time.Second},
	{name: "killed", begin: []string{"kill"}, end: []string{"start"}, lasts: 8 * time.Second},
}

// loss is what became of the requests while a node was away.
type loss struct {
	pods        int // of each subset
	node, holds string
	fault       string
	tally       traffic.Tally
	flags       map[string]int // what the gateways' access logs say of requests that did not end well
}

// notFound is how many requests gateways answered with 404, as one without routes does. What the client saw does not say it:
// where the packets to a lost node leave the machine, somebody else may answer them.
func (l *loss) notFound() int {
	n := 0
	for line, times := range l.flags {
		if strings.HasPrefix(line, "404 ") {
			n += times
		}
	}
	return n
}

// String is a row of the table.
func (l *loss) String() string {
	return fmt.Sprintf("| %d | %s: %s | %s | %d of %d | %d | %s | %s |", l.pods, l.node, l.holds, l.fault, l.tally.Failed(), l.tally.Requests(),
		l.notFound(), classes(&l.tally), counts(l.flags))
}

func classes(tally *traffic.Tally) string {
	byClass := map[string]int{}
	for class, failed := range tally.Failures() {
		byClass[class] = failed.Count
	}
	return counts(byClass)
}

func counts(of map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%d × %s", of[name], name))
	}
	return strings.Join(parts, ", ")
}

// TestNodeLoss takes each agent away under load, with one, two and three pods of each subset, and then drains each in turn.
// It writes what became of the requests to the file FAULTS_REPORT, if it is set. LOAD_RATE is the requests per second of the
// drain (200).
func TestNodeLoss(t *testing.T) {
	p := harness.NewProject(t, "canaryWeight=50")
	t.Cleanup(func() { p.Destroy(t) })
	var losses []*loss
	var drained *traffic.Tally
	for pods := 1; pods <= 3; pods++ {
		p.SetAll(t, fmt.Sprintf("stableReplicas=%d", pods), fmt.Sprintf("canaryReplicas=%d", pods))
		p.Up(t)
		kubeconfig, client := p.Kubeconfig(t), p.Client(t)
		harness.Drained(t, client, harness.AppName)
		requireApart(t, client, pods)
		for _, fault := range nodeFaults {
			for _, agent := range agents {
				whole(t, client)
				l := withoutNode(t, p, kubeconfig, client, agent, fault)
				l.pods = pods
				t.Log(l)
				losses = append(losses, l)
			}
		}
		if pods == 2 {
			whole(t, client)
			drained = drainInTurn(t, p, client)
		}
	}
	if file := os.Getenv("FAULTS_REPORT"); file != "" {
		require.NoError(t, os.WriteFile(file, []byte(faultsReport(t, losses, drained)), 0o644))
	}

	if drained.Failed() > 0 {
		t.Errorf("while the agents were drained %d of %d requests failed: %s", drained.Failed(), drained.Requests(), classes(drained))
	}
	for _, l := range losses {
		if l.notFound() > 0 {
			t.Errorf("a gateway without routes answered: %s", l)
		}
		if l.pods >= 2 && l.tally.Failed() > mostLost {
			t.Errorf("more than %d requests failed: %s", mostLost, l)
		}
	}
}

// mostLost is how many of 2500 requests may fail where the other pods of a subset still serve.
const mostLost = 30

var agents = []string{"agent-0", "agent-1", "agent-2"}

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

// withoutNode sends 100 requests a second through the gateway for 25 s, and takes a node away 3 s after the first.
func withoutNode(t *testing.T, p *harness.Project, kubeconfig string, client *kube.Client, node string, fault nodeFault) *loss {
	t.Helper()
	logs, err := load.NewLogs([]byte(kubeconfig))
	require.NoError(t, err)
	l := &loss{node: node, holds: holds(t, client, node), fault: fault.name, flags: map[string]int{}}
	ctx, cancel := context.WithCancel(t.Context())
	lines := make(chan load.EnvoyLine, 10_000)
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		logs.FollowProxies(ctx, client, []string{harness.MeshNamespace}, func(line load.EnvoyLine) { lines <- line })
	}()

	first := time.Now()
	sent := make(chan error, 1)
	go func() {
		sent <- traffic.Run(t.Context(), traffic.Options{
			URL: appURL(p), Method: "POST", Rate: 100, Count: 2500, Timeout: 5 * time.Second,
			OnResult: func(r traffic.Result) {
				l.tally.Add(r)
				if r.Failure() != "" {
					t.Logf("%+.2f s, %.2f s: %s %v", r.Start.Sub(first).Seconds(), r.Latency.Seconds(), r.Failure(), r.Err)
				}
			},
		})
	}()
	container := "k3d-" + p.Cluster + "-" + node
	time.Sleep(3 * time.Second)
	p.Docker(t, append(fault.begin, container)...)
	t.Logf("%s at %+.2f s", fault.name, time.Since(first).Seconds())
	time.Sleep(fault.lasts)
	p.Docker(t, append(fault.end, container)...)
	t.Logf("back at %+.2f s", time.Since(first).Seconds())
	require.NoError(t, <-sent)
	cancel()
	<-followed
	close(lines)
	for line := range lines {
		l.flags[line.Code+" "+line.Flags+" "+line.Details]++
	}
	return l
}

// drainInTurn drains the agents one after the other, as `kubectl drain` and `kubectl uncordon` do, under load.
func drainInTurn(t *testing.T, p *harness.Project, client *kube.Client) *traffic.Tally {
	t.Helper()
	finish := harness.Send(t, traffic.Options{URL: appURL(p), Method: "POST", Rate: harness.LoadRate(t), Timeout: 5 * time.Second})
	for _, agent := range agents {
		node := "k3d-" + p.Cluster + "-" + agent
		start := time.Now()
		drainNode(t, client, node)
		t.Logf("%s is drained after %.1f s", agent, time.Since(start).Seconds())
	}
	time.Sleep(5 * time.Second)
	tally := finish()
	t.Logf("drained: %d of %d requests failed: %s", tally.Failed(), tally.Requests(), classes(tally))
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

// faultsReport is the text of docs/faults.md.
func faultsReport(t *testing.T, losses []*loss, drained *traffic.Tally) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `# Faults

Written by `+"`make faults`"+` on %s.

100 POST requests a second for 25 s, each given up after 5 s, through the k3d load balancer and the ingress gateway to the
example app at weight 50, with Istio's own retries. After 3 s one of three agents is paused for 12 s (`+"`docker pause`"+`), killed
(`+"`docker kill`"+`) or stopped (`+"`docker stop`"+`) for 8 s. Failed is every status of 400 or above, every transport error and every
timeout.

Machine: %s. Istio %s, %s.

| Pods of each subset | Agent and what it held | It was | Failed | 404 of a gateway | As the client saw it | As the gateways' access logs have it |
| --- | --- | --- | --- | --- | --- | --- |
`, time.Now().UTC().Format("2006-01-02"), machine.Facts(), pins.IstioVersion, pins.K3sImage)
	for _, l := range losses {
		fmt.Fprintln(&b, l)
	}
	fmt.Fprintf(&b, "\nEach agent drained in turn, %v requests a second, two pods of each subset: %d of %d failed.\n", harness.LoadRate(t), drained.Failed(), drained.Requests())
	return b.String()
}

// holds names what a node runs of the app and of the mesh.
func holds(t *testing.T, client *kube.Client, node string) string {
	t.Helper()
	byKind := map[string]int{}
	for _, namespace := range []string{harness.AppName, harness.MeshNamespace} {
		pods, err := client.Pods(t.Context(), namespace, "")
		require.NoError(t, err)
		for _, pod := range pods {
			if strings.HasSuffix(pod.Spec.NodeName, "-"+node) {
				byKind[kindOf(pod)]++
			}
		}
	}
	return counts(byKind)
}

func kindOf(pod corev1.Pod) string {
	if subset := pod.Labels["app.kubernetes.io/subset"]; subset != "" {
		return subset
	}
	if gateway := pod.Labels["istio"]; gateway != "" && gateway != "pilot" {
		return gateway
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
