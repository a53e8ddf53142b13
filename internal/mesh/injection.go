package mesh

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canary/internal/kube"
)

// The labels by which Istio decides whose webhook gives a pod its sidecar; see
// https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/.
const (
	LabelInjection = "istio-injection"
	LabelRevision  = "istio.io/rev"

	labelTag = "istio.io/tag"
	// defaultRevision answers to istio-injection=enabled.
	defaultRevision = "default"
)

// Injection is what decides whether the pods of a namespace get a sidecar.
type Injection struct {
	namespace string
	labels    map[string]string // of the namespace
	revisions []string          // the revisions and tags whose webhooks inject, sorted
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
	revisions := map[string]bool{}
	for i := range injectors.Items {
		labels := injectors.Items[i].GetLabels()
		for _, label := range []string{LabelRevision, labelTag} {
			if labels[label] != "" {
				revisions[labels[label]] = true
			}
		}
	}
	return Injection{namespace: namespace, labels: object.GetLabels(), revisions: slices.Sorted(maps.Keys(revisions))}, nil
}

// Repair says what gives the pods of an app a sidecar; app selects the app's
// Deployments.
func (i Injection) Repair(app string) string {
	restart := fmt.Sprintf("`kubectl -n %s rollout restart deployment -l %s`", i.namespace, app)
	asked := i.labels[LabelRevision]
	if asked == "" && i.labels[LabelInjection] == "enabled" {
		asked = defaultRevision
	}
	switch {
	case len(i.revisions) == 0:
		return "the cluster has no webhook of Istio that would inject one: check istiod and its MutatingWebhookConfiguration; then " + restart
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
