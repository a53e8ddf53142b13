//go:build e2e && bench

package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"canary/internal/kube"
	"canary/test/bench"
	"canary/test/e2e/harness"
)

// measureRecords counts what one change writes, by the API server's own records, not by the word of the stack.
func (m *measurement) measureRecords(t *testing.T, f *bench.Figures) {
	t.Helper()
	client := plainClient(t, []byte(m.Kubeconfig(t)))
	const changes = 5
	written, restarted := 0, 0
	for i := range changes {
		before, err := bench.ReadObjects(t.Context(), client)
		require.NoError(t, err)
		pods := m.pods(t)
		m.Set(t, "canaryWeight", strconv.Itoa(60+i))
		m.Up(t)
		after, err := bench.ReadObjects(t.Context(), client)
		require.NoError(t, err)
		ours, others := after.Written(before, "pulumi")
		t.Logf("written: %s; by the cluster itself meanwhile: %s", strings.Join(ours, ", "), strings.Join(others, ", "))
		written += len(ours)
		for uid, restarts := range pods {
			if now, there := m.pods(t)[uid]; !there || now != restarts {
				restarted++
			}
		}
	}
	f.AtMost(1, "objectsWrittenPerChange", float64(written)/changes, "objects that the stack wrote, by resourceVersion and managedFields of every object in the cluster before and after; mean of 5 changes")
	f.AtMost(0, "podsRestartedPerChange", float64(restarted)/changes, "pods of all namespaces that were replaced, or whose containers were restarted; mean of 5 changes")
}

// pods gives the restarts of each pod by UID.
func (m *measurement) pods(t *testing.T) map[string]int {
	t.Helper()
	pods, err := m.client.Pods(t.Context(), "", "")
	require.NoError(t, err)
	restarts := map[string]int{}
	for _, pod := range pods {
		restarts[string(pod.UID)] = kube.Restarts(&pod)
	}
	return restarts
}

func plainClient(t *testing.T, kubeconfig []byte) rest.Interface {
	t.Helper()
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	require.NoError(t, err)
	config.QPS = -1
	config.GroupVersion = &schema.GroupVersion{}
	config.NegotiatedSerializer = serializer.NewCodecFactory(runtime.NewScheme()).WithoutConversion()
	client, err := rest.UnversionedRESTClientFor(config)
	require.NoError(t, err)
	return client
}

// measureNoop compares an up that changes nothing with that of a program that has nothing, in turns.
func (m *measurement) measureNoop(t *testing.T, f *bench.Figures) {
	t.Helper()
	empty := m.emptyProgram(t)
	const times = 10
	var noops, empties []time.Duration
	for i := range times + 1 {
		start := time.Now()
		m.Up(t)
		noop := time.Since(start)
		start = time.Now()
		empty()
		if i > 0 { // the first one builds the program
			noops, empties = append(noops, noop), append(empties, time.Since(start))
		}
	}
	f.Add("noopUpSeconds", bench.Median(noops), "`pulumi up` without a change, the check of every proxy and pod included")
	f.Add("emptyUpSeconds", bench.Median(empties), "`pulumi up` of a Go program without a resource, built and kept likewise, in the same run")
	f.AtMost(2, "noopRatio", bench.Median(noops)/bench.Median(empties), "noopUpSeconds / emptyUpSeconds")
}

// emptyProgram makes a stack of a program without resources; the function brings it up.
func (m *measurement) emptyProgram(t *testing.T) func() {
	t.Helper()
	dir := filepath.Join(m.Dir, "empty")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for name, text := range map[string]string{
		"Pulumi.yaml": "name: empty\nruntime:\n  name: go\n  options:\n    buildTarget: bin/empty\n",
		"main.go": `package main

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

func main() { pulumi.Run(func(*pulumi.Context) error { return nil }) }
`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	stack := harness.NewName()
	harness.Run(t, dir, m.Env, "pulumi", "stack", "init", "--non-interactive", stack)
	return func() { harness.Run(t, dir, m.Env, "pulumi", append(harness.UpArgs, "--stack", stack)...) }
}
