package mesh

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"canary/internal/kube"
)

// The labels by which Istio decides whose webhook gives a pod its sidecar; see
// https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/.
const (
	LabelInjection = "istio-injection"
	LabelRevision  = "istio.io/rev"
	// LabelInject is a pod's own.
	LabelInject = "sidecar.istio.io/inject"

	labelTag = "istio.io/tag"
	// defaultRevision answers to istio-injection=enabled.
	defaultRevision = "default"
)

const noWebhook = "the cluster has no webhook of Istio that would inject one: check istiod and its MutatingWebhookConfiguration"

// Injection is what decides whether the pods of a namespace get a sidecar.
type Injection struct {
	namespace string
	labels    labels.Set // of the namespace
	revisions []string   // the revisions and tags whose webhooks inject, sorted
	webhooks  []webhook
}

// webhook selects pods by the labels of their namespace and by their own.
type webhook struct {
	Namespaces *metav1.LabelSelector `json:"namespaceSelector"`
	Pods       *metav1.LabelSelector `json:"objectSelector"`
	// FailurePolicy is Fail or Ignore; the API's default is Fail.
	FailurePolicy string `json:"failurePolicy"`
	Client        struct {
		// Service is nil where the injector is asked by its URL.
		Service  *serviceName `json:"service"`
		CABundle string       `json:"caBundle"`
	} `json:"clientConfig"`
	// Configuration is the name of the object that it is part of.
	Configuration string `json:"-"`
}

type serviceName struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

func (s serviceName) String() string { return "Service " + s.Namespace + "/" + s.Name }

// FindInjection reads what decides about the sidecars of a namespace's pods.
func FindInjection(ctx context.Context, c *kube.Client, namespace string) (Injection, error) {
	object, err := c.Dynamic().Resource(namespaces).Get(ctx, namespace, metav1.GetOptions{})
	if err != nil {
		return Injection{}, fmt.Errorf("namespace %s: %w", namespace, err)
	}
	injectors, err := c.Dynamic().Resource(webhooks).List(ctx, metav1.ListOptions{LabelSelector: injectorSelector})
	if err != nil {
		return Injection{}, fmt.Errorf("list webhooks that inject sidecars: %w", err)
	}
	found := Injection{namespace: namespace, labels: object.GetLabels()}
	for _, configuration := range decode[struct {
		metav1.ObjectMeta `json:"metadata"`
		Webhooks          []webhook `json:"webhooks"`
	}](injectors.Items) {
		for _, w := range configuration.Webhooks {
			w.Configuration = configuration.Name
			found.webhooks = append(found.webhooks, w)
		}
	}
	revisions := map[string]bool{}
	for i := range injectors.Items {
		labels := injectors.Items[i].GetLabels()
		for _, label := range []string{LabelRevision, labelTag} {
			if labels[label] != "" {
				revisions[labels[label]] = true
			}
		}
	}
	found.revisions = slices.Sorted(maps.Keys(revisions))
	return found, nil
}

// Repair says what gives the pods of an app a sidecar; app selects the app's
// Deployments, and pod are the labels of one of its pods.
func (i Injection) Repair(app string, pod labels.Set) string {
	restart := fmt.Sprintf("`kubectl -n %s rollout restart deployment -l %s`", i.namespace, app)
	if pod[LabelInject] != "" { // so the namespace is not the stack's
		if why := i.Refuses(pod); why != "" {
			return why + "; then " + restart
		}
		return "it asks for one, and would get it now: it was made while istiod did not answer, or the namespace had other labels: " + restart
	}
	asked := i.asked()
	switch {
	case len(i.revisions) == 0:
		return noWebhook + "; then " + restart
	case asked == "":
		return i.needsLabel() + ", then " + restart
	case slices.Contains(i.revisions, asked):
		return fmt.Sprintf("namespace %s asks for one, so this pod was made before that, or while istiod did not answer: %s", i.namespace, restart)
	}
	return i.unanswered(asked)
}

// asked is the revision or tag that the namespace's labels ask for; "" is none.
func (i Injection) asked() string {
	if i.labels[LabelRevision] == "" && i.labels[LabelInjection] == "enabled" {
		return defaultRevision
	}
	return i.labels[LabelRevision]
}

// needsLabel is said of a namespace of the stack's that asks for none.
func (i Injection) needsLabel() string {
	return fmt.Sprintf("namespace %s needs the label %s=enabled, or %s with istioRevision, before its pods are made: "+
		"`pulumi up --refresh` writes it again", i.namespace, LabelInjection, LabelRevision)
}

// unanswered is said of a revision that is asked for and that the cluster does not have.
func (i Injection) unanswered(asked string) string {
	label := LabelRevision + "=" + asked
	if asked == defaultRevision {
		label = LabelInjection + "=enabled"
	}
	return fmt.Sprintf("namespace %s has the label %s, and no Istio of the cluster answers to it: its revisions are %s; "+
		"`pulumi config set istioRevision %s`, then `pulumi up`", i.namespace, label, strings.Join(i.revisions, ", "), i.revisions[0])
}
