//go:build e2e && bench

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"canary/test/bench"
	"canary/test/e2e/harness"
	"canary/test/machine"
)

// scale is what lagbench prints.
type scale struct {
	Proxies  int       `json:"proxies"`
	Converge []float64 `json:"convergeSeconds"`
	Lag      []float64 `json:"lagSeconds"`
	Bytes    []float64 `json:"bytesRead"`
	PeakKiB  float64   `json:"peakKiB"`
}

// measureScale measures the wait beside more and more sidecars: real ones, which are clients of the app, and then
// simulated ones.
func (m *measurement) measureScale(t *testing.T, f *bench.Figures, changes int) {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(kubeconfig, []byte(m.Kubeconfig(t)), 0o600))
	programs := t.TempDir()
	for name, from := range map[string][2]string{"lagbench": {"../..", "./test/lagbench"}, "sim": {"../../lab/parts/cluster", "./sim"}} {
		harness.Run(t, from[0], append(os.Environ(), "CGO_ENABLED=0"), "go", "build", "-o", filepath.Join(programs, name), from[1])
	}
	measure := func(args ...string) scale {
		args = append(args, "--kubeconfig", kubeconfig, "--changes", strconv.Itoa(changes))
		var s scale
		require.NoError(t, json.Unmarshal([]byte(harness.Run(t, programs, os.Environ(), "./lagbench", args...)), &s))
		return s
	}

	var proxies, p50, p95 []string
	add := func(n int, kind string, s scale) {
		t.Logf("%d %s sidecars: %d proxies, converge p50 %.3f s, p95 %.3f s", n, kind, s.Proxies, bench.PercentileOf(s.Converge, 50), bench.PercentileOf(s.Converge, 95))
		key := fmt.Sprintf("converge%d", n)
		f.Add(key+"P50Seconds", bench.PercentileOf(s.Converge, 50), fmt.Sprintf("from the answer to the write to the end of the wait, beside %d %s sidecars", n, kind))
		if n == 30 {
			f.AtMost(0.6, key+"P95Seconds", bench.PercentileOf(s.Converge, 95), "the same, 95th percentile")
		} else {
			f.Add(key+"P95Seconds", bench.PercentileOf(s.Converge, 95), "the same, 95th percentile")
		}
		if n == 500 {
			f.AtMost(0.3, key+"LagSeconds", bench.PercentileOf(s.Lag, 50), "from the last acknowledgement of a sidecar to the end of the wait")
			f.Add(key+"LagP95Seconds", bench.PercentileOf(s.Lag, 95), "the same, 95th percentile")
		}
		f.Add(key+"ReadKB", bench.PercentileOf(s.Bytes, 50)/1000, "read from proxies and from istiod for one change, in kB")
		f.Add(key+"MemoryMB", s.PeakKiB*1024/1e6, "the most memory that the program with the wait had, in MB")
		proxies = append(proxies, strconv.Itoa(s.Proxies))
		p50 = append(p50, fmt.Sprintf("%.3f", bench.PercentileOf(s.Converge, 50)))
		p95 = append(p95, fmt.Sprintf("%.3f", bench.PercentileOf(s.Converge, 95)))
	}
	for _, n := range []int{0, 10, 30} {
		m.clients(t, n)
		quiet(t)
		add(n, "real", measure())
	}
	m.clients(t, 0)
	quiet(t)
	for _, n := range []int{100, 500} {
		add(n, "simulated", measure("--sim", filepath.Join(programs, "sim"), "--count", strconv.Itoa(n)))
	}
	f.Notes = append(f.Notes, "## The wait by number of proxies\n\n```mermaid\nxychart-beta\n"+
		"    x-axis \"proxies\" ["+strings.Join(proxies, ", ")+"]\n    y-axis \"seconds\"\n"+
		"    line ["+strings.Join(p50, ", ")+"]\n    line ["+strings.Join(p95, ", ")+"]\n```\n\nThe lower line is the median, the upper one the 95th percentile.")
}

// quiet waits until the machine has little to do: pods that were just started have.
func quiet(t *testing.T) {
	t.Helper()
	harness.Eventually(t, 3*time.Minute, func(context.Context) error {
		if busy := machine.Busy(2 * time.Second); busy > 0.25 {
			return fmt.Errorf("%.0f %% of the processors' time is used", 100*busy)
		}
		return nil
	})
}

// clients has that many pods with a sidecar in the app's namespace: copies of the app's, which its Service does not select.
func (m *measurement) clients(t *testing.T, n int) {
	t.Helper()
	const name = "clients"
	api := harness.Objects(m.client, harness.Deployments, harness.AppName)
	if n == 0 {
		err := api.Delete(t.Context(), name, metav1.DeleteOptions{})
		require.True(t, err == nil || apierrors.IsNotFound(err), "%v", err)
		harness.Eventually(t, 3*time.Minute, func(ctx context.Context) error {
			pods, err := m.client.Pods(ctx, harness.AppName, "app="+name)
			if err == nil && len(pods) > 0 {
				err = fmt.Errorf("%d clients are still there", len(pods))
			}
			return err
		})
		return
	}
	app, err := api.Get(t.Context(), harness.AppName, metav1.GetOptions{})
	require.NoError(t, err)
	pod, _, err := unstructured.NestedMap(app.Object, "spec", "template", "spec")
	require.NoError(t, err)
	pod["terminationGracePeriodSeconds"] = int64(1)
	for _, container := range pod["containers"].([]any) {
		delete(container.(map[string]any), "lifecycle")
	}
	labels := map[string]any{"app": name}
	_, err = api.Apply(t.Context(), name, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"replicas": int64(n), "selector": map[string]any{"matchLabels": labels},
			"template": map[string]any{
				"metadata": map[string]any{"labels": labels, "annotations": map[string]any{
					"sidecar.istio.io/proxyCPU": "10m", "sidecar.istio.io/proxyMemory": "40Mi",
				}},
				"spec": pod,
			},
		},
	}}, metav1.ApplyOptions{FieldManager: "e2e", Force: true})
	require.NoError(t, err)
	harness.Eventually(t, 5*time.Minute, func(ctx context.Context) error {
		pods, err := m.client.Pods(ctx, harness.AppName, "app="+name)
		if err == nil && len(harness.Ready(pods)) != n {
			err = fmt.Errorf("%d of %d clients are ready", len(harness.Ready(pods)), n)
		}
		return err
	})
}
