// Package kube is the thin layer between the program and one Kubernetes
// cluster: typed lists of the few kinds that are read, a dynamic client for
// everything else, and connections into pods. It never looks at the user's own
// kubeconfig and never writes to the cluster by itself.
package kube

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const userAgent = "canary"

// Client talks to one cluster. It is safe for concurrent use.
type Client struct {
	config  *rest.Config
	dynamic dynamic.Interface
	rest    rest.Interface
}

// New makes a client from the content of a kubeconfig (not a path) and the name
// of one of its contexts; "" means its current context. Nothing is sent yet, so
// a cluster that is stopped is noticed by the first call.
func New(kubeconfig []byte, contextName string) (*Client, error) {
	if strings.TrimSpace(string(kubeconfig)) == "" {
		return nil, errors.New("kubeconfig is empty: give the content of a kubeconfig file")
	}
	loaded, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig cannot be read: %w", err)
	}
	if contextName == "" {
		contextName = loaded.CurrentContext
	}
	if contextName == "" {
		return nil, fmt.Errorf("kubeconfig has no current context: name one of its contexts (%s)", contextNames(loaded.Contexts))
	}
	if _, ok := loaded.Contexts[contextName]; !ok {
		return nil, fmt.Errorf("kubeconfig has no context %q: it has %s", contextName, contextNames(loaded.Contexts))
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*loaded, contextName, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig context %q cannot be used: %w", contextName, err)
	}
	return newForConfig(config)
}

func contextNames[V any](contexts map[string]V) string {
	if len(contexts) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(contexts)), ", ")
}

func newForConfig(config *rest.Config) (*Client, error) {
	config.UserAgent = userAgent
	// The waits pace themselves; client-go's five requests a second would make
	// them slower than the cluster is.
	config.QPS = -1
	server := config.Host
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &explainer{next: next, server: server}
	})
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig credentials for %s cannot be used: %w", server, err)
	}
	c := &Client{config: config}
	if c.dynamic, err = dynamic.NewForConfigAndClient(config, httpClient); err != nil {
		return nil, fmt.Errorf("client for %s: %w", server, err)
	}
	if c.rest, err = newREST(config, httpClient); err != nil {
		return nil, fmt.Errorf("client for %s: %w", server, err)
	}
	return c, nil
}

// newREST is a client for any path that knows the types which are read here.
// Kubernetes' typed clientset would compile every API group.
func newREST(config *rest.Config, httpClient *http.Client) (rest.Interface, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), appsv1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.APIPath = "/api"
	config.GroupVersion = &corev1.SchemeGroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	return rest.RESTClientForConfigAndClient(config, httpClient)
}

// Server is the address of the API server as the kubeconfig gives it.
func (c *Client) Server() string { return c.config.Host }

// Dynamic gives access to every kind, as unstructured objects.
func (c *Client) Dynamic() dynamic.Interface { return c.dynamic }
