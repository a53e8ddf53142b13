package mesh

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"canary/internal/kube"
	"canary/internal/release"
)

var gateways = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "gateways"}

const (
	// gatewayLabel is the label by which the app's Gateway selects its pods.
	gatewayLabel = "istio"
	// httpPort is the port of the app's Gateway, and of its Service.
	httpPort = 80
	// httpsPort is the port of the app's Gateway for a host with a certificate.
	httpsPort = 443
	// gatewayPods is how many pods the stack's own ingress gateway has.
	gatewayPods = 2
)

// NoGatewayError says that no pod has the label of the ingress gateway.
type NoGatewayError struct {
	// Label is what was looked for, and Others are the labels of the gateways that
	// there are, with their namespaces: "istio=ingress in namespace istio-ingress".
	Label  string
	Others []string
	// Value is the label's value of the only other gateway, or empty.
	Value string
}

// Error says what there is instead and what to do.
func (e *NoGatewayError) Error() string {
	text := fmt.Sprintf("no running pod has the label %s, so there is no ingress gateway to route through: ", e.Label)
	switch {
	case e.Value != "":
		return text + fmt.Sprintf("there is a gateway with the label %s; if that is the one, type `pulumi config set istioGateway %s`", e.Others[0], e.Value)
	case len(e.Others) > 0:
		return text + fmt.Sprintf("there are gateways with the labels %s; choose one of them with `pulumi config set istioGateway VALUE`", strings.Join(e.Others, ", "))
	}
	return text + "install one with Istio's chart gateway (release name istio-ingressgateway), or let the stack install Istio with `pulumi config rm istioInstall` if the cluster has none"
}

// CheckGateway looks for a running pod with the label istio=<value>, in any
// namespace. When there is none the error is a *NoGatewayError.
func CheckGateway(ctx context.Context, c *kube.Client, value string) error {
	pods, err := c.Pods(ctx, "", gatewayLabel)
	if err != nil {
		return err
	}
	return checkGateway(pods, value)
}

func checkGateway(pods []corev1.Pod, value string) error {
	missing := &NoGatewayError{Label: gatewayLabel + "=" + value}
	values := map[string]bool{}
	for i := range pods {
		pod := &pods[i]
		if pod.Status.Phase != corev1.PodRunning || pod.DeletionTimestamp != nil || !IsGateway(pod) {
			continue
		}
		has := pod.Labels[gatewayLabel]
		if has == value {
			return nil
		}
		other := fmt.Sprintf("%s=%s in namespace %s", gatewayLabel, has, pod.Namespace)
		if !slices.Contains(missing.Others, other) {
			missing.Others = append(missing.Others, other)
		}
		values[has] = true
		missing.Value = has
	}
	slices.Sort(missing.Others)
	if len(values) != 1 || len(missing.Others) != 1 {
		missing.Value = ""
	}
	return missing
}

// IsGateway tells a gateway's pod, which runs an Envoy beside nothing else, from
// an app's or istiod's.
func IsGateway(pod *corev1.Pod) bool {
	return len(pod.Spec.Containers) == 1 && pod.Spec.Containers[0].Name == ProxyContainer
}

// Ingress is a port of a gateway's pod that takes the app's ingress traffic.
type Ingress struct {
	Namespace, Pod string
	Port           int
}

// FindIngress gives a ready pod that the app's Gateway selects, and the port in
// it that serves HTTP, or HTTPS with app.TLS: what port 80 or 443 of the gateway's Service
// leads to.
func FindIngress(ctx context.Context, c *kube.Client, app release.App) (Ingress, error) {
	selector, err := GatewaySelector(ctx, c, app)
	if err != nil {
		return Ingress{}, err
	}
	pods, err := c.Pods(ctx, "", selector.String())
	if err != nil {
		return Ingress{}, err
	}
	for i := range pods {
		pod := &pods[i]
		if pod.Status.Phase != corev1.PodRunning || pod.DeletionTimestamp != nil || !kube.Ready(pod) {
			continue
		}
		services, err := c.Services(ctx, pod.Namespace)
		if err != nil {
			return Ingress{}, err
		}
		wanted := int32(httpPort)
		if app.TLS {
			wanted = httpsPort
		}
		port, err := target(services, pod, wanted)
		return Ingress{Namespace: pod.Namespace, Pod: pod.Name, Port: port}, err
	}
	return Ingress{}, fmt.Errorf("no ready pod has the labels %s of Gateway %s/%s: check the ingress gateway's pods", selector, app.Namespace, app.Name)
}

// target finds the port of a gateway's pod behind a port of its Service.
func target(services []corev1.Service, pod *corev1.Pod, wanted int32) (int, error) {
	for i := range services {
		selector := services[i].Spec.Selector
		if len(selector) == 0 || !labels.SelectorFromSet(selector).Matches(labels.Set(pod.Labels)) {
			continue
		}
		for _, port := range services[i].Spec.Ports {
			if port.Port != wanted {
				continue
			}
			if number := kube.TargetPort(pod, port); number != 0 {
				return number, nil
			}
		}
	}
	return 0, fmt.Errorf("no Service in namespace %s leads from port %d to the gateway's pod %s: check the ingress gateway's Service", pod.Namespace, wanted, pod.Name)
}

// GatewayOff says which Deployments of the ingress gateway want no pods, and what
// brings them back, when all of them do; "" otherwise. The value is that of the
// label istio.
func GatewayOff(ctx context.Context, c *kube.Client, value string) (string, error) {
	deployments, err := c.Deployments(ctx, "", gatewayLabel+"="+value)
	return allOff(deployments, gatewayPods), err
}

// allOff says which Deployments want no pods, and what brings back so many of each, when
// all of them do; "" otherwise.
func allOff(deployments []appsv1.Deployment, pods int) string {
	var off []string
	for i := range deployments {
		d := &deployments[i]
		if d.Spec.Replicas == nil || *d.Spec.Replicas > 0 {
			return ""
		}
		off = append(off, fmt.Sprintf("Deployment %s/%s wants 0 pods: `kubectl -n %s scale deployment %s --replicas=%d` brings them back",
			d.Namespace, d.Name, d.Namespace, d.Name, pods))
	}
	return strings.Join(off, "; ")
}

// GatewaySelector reads which pods the app's Gateway stands for.
func GatewaySelector(ctx context.Context, c *kube.Client, app release.App) (labels.Selector, error) {
	object, err := c.Dynamic().Resource(gateways).Namespace(app.Namespace).Get(ctx, app.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("Gateway %s/%s: %w", app.Namespace, app.Name, err)
	}
	selector, _, err := unstructured.NestedStringMap(object.Object, "spec", "selector")
	if err != nil {
		return nil, fmt.Errorf("Gateway %s/%s: %w", app.Namespace, app.Name, err)
	}
	if len(selector) == 0 {
		return nil, fmt.Errorf("Gateway %s/%s has no selector, so it is not known which pods are its gateways: give it one, such as istio: ingressgateway", app.Namespace, app.Name)
	}
	return labels.SelectorFromSet(selector), nil
}
