package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"canary/internal/kube"
)

// Names of the sources.
const (
	Ingress = "ingress"
	Mesh    = "mesh"
)

const generatorPod = "load"

var podResource = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

// Pod is a generator inside the mesh.
type Pod struct {
	client          *kube.Client
	namespace, name string
	read            chan error
}

// StartPod runs the test server's image as a generator beside the app, with a sidecar, and hands over its records as
// they come.
func StartPod(ctx context.Context, c *kube.Client, logs *Logs, namespace, image string, t Target, add func(Record)) (*Pod, error) {
	p := &Pod{client: c, namespace: namespace, name: generatorPod, read: make(chan error, 1)}
	args := []any{"-load", t.URL, "-rate", fmt.Sprint(t.Rate), "-long", strings.Join(t.Long, ","), "-timeout", t.Timeout.String()}
	spec := map[string]any{
		"restartPolicy":                 "Never",
		"terminationGracePeriodSeconds": int64(30),
		"automountServiceAccountToken":  false,
		"containers": []any{map[string]any{
			"name": generatorPod, "image": image, "imagePullPolicy": "IfNotPresent", "args": args,
		}},
	}
	if t.Node != "" {
		spec["nodeName"] = t.Node
	}
	pod := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": p.name, "namespace": namespace},
		"spec":     spec,
	}}
	if _, err := c.Dynamic().Resource(podResource).Namespace(namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		return nil, fmt.Errorf("create the generator's pod: %w", err)
	}
	if err := p.waitFor(ctx, "run", func(pod *corev1.Pod) bool {
		return len(pod.Status.ContainerStatuses) > 0 && pod.Status.ContainerStatuses[0].State.Waiting == nil
	}); err != nil {
		return nil, errors.Join(err, p.said())
	}
	go func() { p.read <- p.follow(ctx, logs, add) }()
	return p, nil
}

// said is what the cluster says of the pod.
func (p *Pod) said() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	events, err := p.client.Events(ctx, p.namespace, "involvedObject.name="+p.name)
	for _, event := range events {
		err = errors.Join(err, errors.New(event.Message))
	}
	return err
}

// follow reads the generator's log to its end. Where that is cut off, as by an API server that restarts, it reads on from
// the last record.
func (p *Pod) follow(ctx context.Context, logs *Logs, add func(Record)) error {
	const pause, patience = 500 * time.Millisecond, 2 * time.Minute
	var last time.Time
	reader := NewReader(func(r Record) {
		if ended := r.Ended(); ended.After(last) {
			last = ended
		}
		add(r)
	})
	for begin := time.Now(); ; {
		before := reader.read
		log, err := logs.Follow(ctx, p.namespace, p.name, generatorPod, last)
		if err == nil {
			err = reader.Read(log)
			log.Close()
			if !errors.Is(err, errCut) {
				return err
			}
		}
		if reader.read > before {
			begin = time.Now()
		}
		if time.Since(begin) > patience {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// Stop ends the generator; every record was handed over when it returns without an error.
func (p *Pod) Stop(ctx context.Context) error {
	if err := p.client.Dynamic().Resource(podResource).Namespace(p.namespace).Delete(ctx, p.name, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete the generator's pod: %w", err)
	}
	var err error
	select {
	case err = <-p.read:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	return p.waitFor(ctx, "be gone", nil)
}

// waitFor waits until the pod is so; nil waits until it is gone.
func (p *Pod) waitFor(ctx context.Context, what string, so func(*corev1.Pod) bool) error {
	const patience = 2 * time.Minute
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the generator's pod did not %s within %v", what, patience))
	defer cancel()
	for {
		w, err := p.client.Dynamic().Resource(podResource).Namespace(p.namespace).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + p.name})
		if err != nil {
			return err
		}
		done, err := p.watch(ctx, w, so)
		w.Stop()
		if done || err != nil {
			return err
		}
	}
}

func (p *Pod) watch(ctx context.Context, w watch.Interface, so func(*corev1.Pod) bool) (bool, error) {
	if so == nil {
		pods, err := p.client.Pods(ctx, p.namespace, "")
		if err != nil {
			return false, err
		}
		there := false
		for i := range pods {
			there = there || pods[i].Name == p.name
		}
		if !there {
			return true, nil
		}
	}
	for {
		select {
		case event, open := <-w.ResultChan():
			if !open {
				return false, nil
			}
			if event.Type == watch.Deleted {
				if so == nil {
					return true, nil
				}
				return false, fmt.Errorf("the generator's pod was removed")
			}
			object, ok := event.Object.(*unstructured.Unstructured)
			if !ok || so == nil {
				continue
			}
			var pod corev1.Pod
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &pod); err != nil {
				return false, err
			}
			if so(&pod) {
				return true, nil
			}
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}
