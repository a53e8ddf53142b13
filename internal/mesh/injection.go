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
}

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
		Webhooks []webhook `json:"webhooks"`
	}](injectors.Items) {
		found.webhooks = append(found.webhooks, configuration.Webhooks...)
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
	asked := i.labels[LabelRevision]
	if asked == "" && i.labels[LabelInjection] == "enabled" {
		asked = defaultRevision
	}
	switch {
	case len(i.revisions) == 0:
		return noWebhook + "; then " + restart
	case asked == "":
		return fmt.Sprintf("namespace %s needs the label %s=enabled, or %s with istioRevision, before its pods are made: "+
			"`pulumi up --refresh` writes it again, then %s", i.namespace, LabelInjection, LabelRevision, restart)
	case slices.Contains(i.revisions, asked):
		return fmt.Sprintf("namespace %s asks for one, so this pod was made before that, or while istiod did not answer: %s", i.namespace, restart)
	}
	label := LabelRevision + "=" + asked
	if asked == defaultRevision {
		label = LabelInjection + "=enabled"
	}
	return fmt.Sprintf("namespace %s has the label %s, and no Istio of the cluster answers to it: its revisions are %s; "+
		"`pulumi config set istioRevision %s`, then `pulumi up`", i.namespace, label, strings.Join(i.revisions, ", "), i.revisions[0])
}
