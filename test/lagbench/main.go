// Command lagbench measures how long after the last acknowledgement the wait for
// the proxies ends, in a running cluster with an app of this project, with many
// simulated sidecars (lab/parts/cluster/sim). It writes the split by hand, back
// and forth, and prints one JSON object. The cluster should be one to throw away.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"canary/internal/converge"
	"canary/internal/kube"
	"canary/internal/release"
)

var (
	kubeconfig = flag.String("kubeconfig", "", "file with the cluster's kubeconfig")
	name       = flag.String("app", "app-example", "name and namespace of the app")
	host       = flag.String("host", "app-example.app-example.localhost", "external host of the app")
	sim        = flag.String("sim", "", "the simulator's program; \"\": only the proxies that are there")
	count      = flag.Int("count", 0, "simulated sidecars")
	changes    = flag.Int("changes", 30, "how often the split is changed")
	direct     = flag.Bool("direct", false, "do without istiod's books")
)

// result is what is printed. Times are in seconds.
type result struct {
	Simulated int       `json:"simulated"`
	Proxies   int       `json:"proxies"` // that the wait counted
	Changes   int       `json:"changes"`
	Snapshot  []float64 `json:"snapshotSeconds"`
	Converge  []float64 `json:"convergeSeconds"` // from the written VirtualService to the end of the wait
	Wave      []float64 `json:"waveSeconds"`     // from the written VirtualService to the last acknowledgement
	Lag       []float64 `json:"lagSeconds"`      // the difference
	Bytes     []int64   `json:"bytesRead"`
	// PeakKiB is the most memory that this program had (VmHWM).
	PeakKiB int `json:"peakKiB"`
}

// wave is what the simulator prints.
type wave struct {
	Event   string    `json:"event"`
	Proxies int       `json:"proxies"`
	Last    time.Time `json:"last"`
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := measure(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lagbench:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context) (err error) {
	config, err := os.ReadFile(*kubeconfig)
	if err != nil {
		return err
	}
	client, err := kube.New(config, "")
	if err != nil {
		return err
	}
	var waves <-chan wave
	if *count > 0 {
		address, remove, err := expose(ctx, client)
		if err != nil {
			return err
		}
		defer remove()
		var end func()
		if waves, end, err = simulate(ctx, address); err != nil {
			return err
		}
		defer end()
	}
	app := release.App{Namespace: *name, Name: *name, Hosts: []string{*host}}
	current, err := release.LiveSplit(ctx, client, app)
	if err != nil {
		return err
	}
	r := result{Simulated: *count, Changes: *changes}
	for i := range *changes {
		split := release.Split{Stable: 50, Canary: 50}
		if current.Canary > 0 {
			split = release.Split{Stable: 100}
		}
		current = split
		if err := r.change(ctx, client, app, split, waves); err != nil {
			return fmt.Errorf("change %d: %w", i+1, err)
		}
	}
	r.PeakKiB = peak()
	return json.NewEncoder(os.Stdout).Encode(r)
}

func (r *result) change(ctx context.Context, client *kube.Client, app release.App, split release.Split, waves <-chan wave) error {
	start := time.Now()
	links := converge.NewLinks(client, app)
	defer links.Close()
	links.Open(ctx)
	before := &converge.Before{}
	if !*direct {
		before = links.Look(ctx)
	}
	r.Snapshot = append(r.Snapshot, time.Since(start).Seconds())
	if err := write(ctx, client, app, split); err != nil {
		return err
	}
	written := time.Now()
	converged, err := links.Converge(ctx, before, split, time.Minute, nil)
	if err != nil {
		return err
	}
	ended := time.Now()
	r.Proxies = converged.Proxies
	r.Converge = append(r.Converge, ended.Sub(written).Seconds())
	r.Bytes = append(r.Bytes, converged.Bytes)
	if waves == nil {
		return nil
	}
	var w wave
	select {
	case w = <-waves:
	case <-time.After(time.Minute):
	}
	if w.Proxies != *count {
		return fmt.Errorf("the simulator says %+v", w)
	}
	r.Wave = append(r.Wave, w.Last.Sub(written).Seconds())
	r.Lag = append(r.Lag, ended.Sub(w.Last).Seconds())
	return nil
}

// write changes the weights of the VirtualService.
func write(ctx context.Context, client *kube.Client, app release.App, split release.Split) error {
	objects := client.Dynamic().Resource(schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}).Namespace(app.Namespace)
	object, err := objects.Get(ctx, app.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	routes, _, err := unstructured.NestedSlice(object.Object, "spec", "http")
	if err != nil || len(routes) != 1 {
		return fmt.Errorf("VirtualService %s/%s: not one HTTP route (%w)", app.Namespace, app.Name, err)
	}
	weights := map[any]int64{release.Stable: int64(split.Stable), release.Canary: int64(split.Canary)}
	for _, r := range routes[0].(map[string]any)["route"].([]any) {
		destination := r.(map[string]any)
		subset := destination["destination"].(map[string]any)["subset"]
		destination["weight"] = weights[subset]
	}
	if err := unstructured.SetNestedSlice(object.Object, routes, "spec", "http"); err != nil {
		return err
	}
	_, err = objects.Update(ctx, object, metav1.UpdateOptions{})
	return err
}

// expose makes istiod's plaintext xDS port reachable from this machine.
func expose(ctx context.Context, client *kube.Client) (address string, remove func(), err error) {
	services := client.Dynamic().Resource(schema.GroupVersionResource{Version: "v1", Resource: "services"}).Namespace("istio-system")
	made, err := services.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Service",
		"metadata": map[string]any{"generateName": "lagbench-"},
		"spec": map[string]any{
			"type": "NodePort", "selector": map[string]any{"app": "istiod"},
			"ports": []any{map[string]any{"port": int64(15010), "protocol": "TCP"}},
		},
	}}, metav1.CreateOptions{})
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = services.Delete(context.WithoutCancel(ctx), made.GetName(), metav1.DeleteOptions{}) }
	ports, _, _ := unstructured.NestedSlice(made.Object, "spec", "ports")
	nodes, err := client.Dynamic().Resource(schema.GroupVersionResource{Version: "v1", Resource: "nodes"}).List(ctx, metav1.ListOptions{})
	if err != nil || len(nodes.Items) == 0 || len(ports) != 1 {
		remove()
		return "", nil, fmt.Errorf("find a node's address: %w", err)
	}
	addresses, _, _ := unstructured.NestedSlice(nodes.Items[0].Object, "status", "addresses")
	for _, a := range addresses {
		if entry := a.(map[string]any); entry["type"] == "InternalIP" {
			return fmt.Sprintf("%v:%v", entry["address"], ports[0].(map[string]any)["nodePort"]), remove, nil
		}
	}
	remove()
	return "", nil, errors.New("the node has no internal address")
}

// simulate starts the sidecars and waits until all have acknowledged.
func simulate(ctx context.Context, address string) (<-chan wave, func(), error) {
	cmd := exec.CommandContext(ctx, *sim, "--address", address, "--namespace", *name, "--count", strconv.Itoa(*count))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	waves := make(chan wave, 1000)
	go func() {
		defer close(waves)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var w wave
			if json.Unmarshal(lines.Bytes(), &w) == nil {
				waves <- w
			}
		}
	}()
	end := func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if w := <-waves; w.Event != "ready" {
		end()
		return nil, nil, errors.New("the simulator ended")
	}
	return waves, end, nil
}

// peak is VmHWM, in KiB.
func peak() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmHWM:" {
			n, _ := strconv.Atoi(fields[1])
			return n
		}
	}
	return 0
}
