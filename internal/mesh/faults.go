package mesh

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"

	"canary/internal/kube"
	"canary/internal/release"
)

// The names of the stack's own Helm releases of Istio on which the app rests.
const (
	ReleaseIstiod  = "istiod"
	ReleaseIngress = "istio-ingressgateway"
)

// istiodSelector selects the Deployments of istiod, and their pods.
const istiodSelector = "app=istiod"

// Releases are the URNs of a stack's own Helm releases, by their names; it has none of
// Istio's where somebody else installed that.
type Releases map[string]string

// again says what makes an object of a release anew. Pulumi knows nothing of a release's
// objects, so neither `pulumi up` nor a refresh does.
func (r Releases) again(name string) string {
	if urn := r[name]; urn != "" {
		return fmt.Sprintf("`pulumi up --replace '%s'` makes it anew", urn)
	}
	return "install Istio once more as it was installed (`helm upgrade` of its chart, or `istioctl install`)"
}

// Faults says what of Istio itself keeps new pods of the app from their sidecars, the
// split from being changed, or ingress traffic out, one line for each: what fails, the object and
// the repair. What may not be read, or is gone and is the stack's own, is left out.
func Faults(ctx context.Context, c *kube.Client, app release.App, releases Releases) ([]string, error) {
	var found []string
	for _, look := range []func(context.Context, *kube.Client, release.App, Releases) ([]string, error){injectorFaults, gatewayFaults} {
		lines, err := look(ctx, c, app, releases)
		if err != nil && !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) {
			return nil, err
		}
		for _, line := range lines {
			if !slices.Contains(found, line) {
				found = append(found, line)
			}
		}
	}
	return found, nil
}

// gatewayFaults are those of the ingress gateway's Deployments.
func gatewayFaults(ctx context.Context, c *kube.Client, app release.App, releases Releases) ([]string, error) {
	selector, err := GatewaySelector(ctx, c, app)
	if err != nil {
		return nil, err
	}
	deployments, err := c.Deployments(ctx, "", selector.String())
	if err != nil {
		return nil, err
	}
	off := allOff(deployments, gatewayPods)
	if len(deployments) == 0 && releases[ReleaseIngress] != "" {
		off = fmt.Sprintf("Deployment %s/%s is gone: %s", istioNamespace, ReleaseIngress, releases.again(ReleaseIngress))
	}
	if off == "" {
		return nil, nil
	}
	return []string{off}, nil
}

// injectorFaults are those of the webhooks that give the app's pods their sidecars, and of
// the istiods that answer them.
func injectorFaults(ctx context.Context, c *kube.Client, app release.App, releases Releases) ([]string, error) {
	injection, err := FindInjection(ctx, c, app.Namespace)
	if err != nil {
		return nil, err
	}
	deployments, err := c.Deployments(ctx, app.Namespace, release.LabelName+"="+app.Name)
	if err != nil {
		return nil, err
	}
	var lines []string
	var called []webhook
	for i := range deployments {
		pod := labels.Set(deployments[i].Spec.Template.Labels)
		if why := injection.misses(pod, releases); why != "" {
			lines = append(lines, fmt.Sprintf("new pods of namespace %s get no sidecar: %s", app.Namespace, why))
		}
		called = append(called, injection.injectors(pod)...)
	}
	if len(called) == 0 {
		why, err := istiodsDown(ctx, c)
		if why != "" {
			lines = append(lines, "the split cannot be changed: "+why)
		}
		return lines, err
	}
	asked := map[serviceName]string{}
	for _, w := range called {
		service := w.Client.Service
		if service == nil {
			continue // who answers its URL cannot be seen here
		}
		why, known := asked[*service]
		if !known {
			if why, err = unanswering(ctx, c, *service, releases); err != nil {
				return lines, err
			}
			asked[*service] = why
		}
		failing := w.withoutAnswer(app.Namespace)
		if why != "" {
			lines = append(lines, fmt.Sprintf("%s, and the split cannot be changed: %s", failing, why))
		}
		if w.Client.CABundle == "" {
			lines = append(lines, fmt.Sprintf("%s: MutatingWebhookConfiguration %s has no caBundle, so that the API server does not trust %s; "+
				"istiod writes it when it starts: `kubectl -n %s rollout restart deployment -l %s`",
				failing, w.Configuration, service, service.Namespace, istiodSelector))
		}
	}
	return lines, nil
}

// misses says why no webhook gives new pods with the labels a sidecar, and the repair; ""
// when one does.
func (i Injection) misses(pod labels.Set, releases Releases) string {
	asked := i.asked()
	others := pod[LabelInject] != "" // the namespace is not the stack's
	if others {
		asked = cmp.Or(pod[LabelRevision], asked, defaultRevision)
	}
	switch {
	case len(i.injectors(pod)) > 0:
		return ""
	case len(i.revisions) == 0:
		gone := "every MutatingWebhookConfiguration of Istio (label " + injectorSelector + ") is gone"
		if asked == defaultRevision {
			gone = "MutatingWebhookConfiguration istio-sidecar-injector is gone"
		}
		return gone + ": " + releases.again(ReleaseIstiod)
	case others:
		return i.Refuses(pod)
	case asked == "":
		return i.needsLabel()
	case slices.Contains(i.revisions, asked):
		return i.leftOut()
	}
	return i.unanswered(asked)
}

// withoutAnswer is what comes of new pods of a namespace while a webhook cannot be called.
func (w webhook) withoutAnswer(namespace string) string {
	if w.FailurePolicy == "Ignore" {
		return "new pods of namespace " + namespace + " get no sidecar"
	}
	return "no pod can be made in namespace " + namespace
}

// unanswering says why no pod answers for an injector's Service, and the repair; "" when
// one does. A Service without a selector has its addresses from somebody else.
func unanswering(ctx context.Context, c *kube.Client, name serviceName, releases Releases) (string, error) {
	services, err := c.Services(ctx, name.Namespace)
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(services, func(s corev1.Service) bool { return s.Name == name.Name })
	if at < 0 {
		return fmt.Sprintf("%s is gone: %s", name, releases.again(ReleaseIstiod)), nil
	}
	if len(services[at].Spec.Selector) == 0 {
		return "", nil
	}
	selector := labels.SelectorFromSet(services[at].Spec.Selector)
	pods, err := c.Pods(ctx, name.Namespace, selector.String())
	if err != nil || slices.ContainsFunc(pods, takesRequests) {
		return "", err
	}
	deployments, err := c.Deployments(ctx, name.Namespace, "")
	if err != nil && !apierrors.IsForbidden(err) {
		return "", err
	}
	behind := slices.DeleteFunc(deployments, func(d appsv1.Deployment) bool { return !selector.Matches(labels.Set(d.Spec.Template.Labels)) })
	switch off := allOff(behind, 1); {
	case off != "":
		return off, nil
	case len(behind) == 0 && err == nil:
		return fmt.Sprintf("no Deployment has pods for %s: %s", name, releases.again(ReleaseIstiod)), nil
	}
	return fmt.Sprintf("%s has no ready pod: `kubectl -n %s describe pods -l %s` says why", name, name.Namespace, selector), nil
}

func takesRequests(pod corev1.Pod) bool { return pod.DeletionTimestamp == nil && kube.Ready(&pod) }

// istiodsDown says that no istiod of the cluster has a ready pod, and the repair; "" when
// one has, or when there is none.
func istiodsDown(ctx context.Context, c *kube.Client) (string, error) {
	deployments, err := c.Deployments(ctx, "", istiodSelector)
	if err != nil || slices.ContainsFunc(deployments, func(d appsv1.Deployment) bool { return d.Status.ReadyReplicas > 0 }) {
		return "", err
	}
	off := allOff(deployments, 1)
	if off == "" && len(deployments) > 0 {
		d := &deployments[0]
		off = fmt.Sprintf("Deployment %s/%s has no ready pod: `kubectl -n %s describe pods -l %s` says why", d.Namespace, d.Name, d.Namespace, istiodSelector)
	}
	return off, nil
}
