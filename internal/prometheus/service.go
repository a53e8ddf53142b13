package prometheus

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"canary/internal/kube"
)

// serviceTransport sends requests to a ready pod of a Service, over a port-forward that is
// opened by the first use and anew after a request failed.
type serviceTransport struct {
	client  *kube.Client
	service service

	mu   sync.Mutex
	open *podTransport
}

type podTransport struct {
	*http.Transport
	forward *kube.Forward
}

// RoundTrip sends a request to the pod.
func (s *serviceTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	pod, err := s.pod(req.Context())
	if err != nil {
		return nil, err
	}
	resp, err := pod.RoundTrip(req)
	if err != nil && req.Context().Err() == nil {
		s.drop(pod) // it may be gone
	}
	return resp, err
}

func (s *serviceTransport) pod(ctx context.Context) (*podTransport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != nil {
		return s.open, nil
	}
	name, port, err := s.find(ctx)
	if err != nil {
		return nil, err
	}
	forward := s.client.Forward(s.service.namespace, name)
	s.open = &podTransport{forward: forward, Transport: &http.Transport{DialContext: forward.DialContext(port), MaxIdleConnsPerHost: 2}}
	return s.open, nil
}

// find is a ready pod of the Service, and the port in it.
func (s *serviceTransport) find(ctx context.Context) (pod string, port int, err error) {
	where := s.service.namespace + "/" + s.service.name
	services, err := s.client.Services(ctx, s.service.namespace)
	if err != nil {
		return "", 0, err
	}
	for i := range services {
		if services[i].Name == s.service.name {
			return s.behind(ctx, &services[i])
		}
	}
	return "", 0, fmt.Errorf("Service %s is not in the cluster: `kubectl get services -A` lists them", where)
}

func (s *serviceTransport) behind(ctx context.Context, found *corev1.Service) (pod string, port int, err error) {
	where := s.service.namespace + "/" + s.service.name
	var taken *corev1.ServicePort
	for i := range found.Spec.Ports {
		if int(found.Spec.Ports[i].Port) == s.service.port {
			taken = &found.Spec.Ports[i]
		}
	}
	if taken == nil || len(found.Spec.Selector) == 0 {
		return "", 0, fmt.Errorf("Service %s has no port %d that leads to pods: `kubectl -n %s describe service %s` shows it",
			where, s.service.port, s.service.namespace, s.service.name)
	}
	pods, err := s.client.Pods(ctx, s.service.namespace, labels.SelectorFromSet(found.Spec.Selector).String())
	if err != nil {
		return "", 0, err
	}
	for i := range pods {
		if pods[i].DeletionTimestamp != nil || !kube.Ready(&pods[i]) {
			continue
		}
		if port := kube.TargetPort(&pods[i], *taken); port != 0 {
			return pods[i].Name, port, nil
		}
	}
	return "", 0, fmt.Errorf("Service %s has no ready pod with its port %d: check its pods", where, s.service.port)
}

func (s *serviceTransport) drop(pod *podTransport) {
	s.mu.Lock()
	if s.open == pod {
		s.open = nil
	}
	s.mu.Unlock()
	pod.CloseIdleConnections()
	_ = pod.forward.Close()
}

func (s *serviceTransport) close() {
	s.mu.Lock()
	pod := s.open
	s.mu.Unlock()
	if pod != nil {
		s.drop(pod)
	}
}
