package mesh

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// asksNothing reports whether the namespace has none of the labels that decide for all
// of its pods: then each pod's own labels do.
func (i Injection) asksNothing() bool {
	return !i.labels.Has(LabelInjection) && !i.labels.Has(LabelRevision)
}

// injectors are the webhooks that the API server calls for a new pod with the labels.
func (i Injection) injectors(pod labels.Set) []webhook {
	var called []webhook
	for _, w := range i.webhooks {
		if selects(w.Namespaces, i.labels) && selects(w.Pods, pod) {
			called = append(called, w)
		}
	}
	return called
}

// selects is true for no selector, which a webhook has when it takes everything.
func selects(selector *metav1.LabelSelector, set labels.Set) bool {
	if selector == nil {
		return true
	}
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(set)
}

// Refuses says why no Istio gives pods with the labels a sidecar, in a namespace that
// others label, and what changes that; "" when one does.
func (i Injection) Refuses(pod labels.Set) string {
	asked := pod[LabelRevision]
	if asked == "" {
		asked = defaultRevision
	}
	revisions := strings.Join(i.revisions, ", ")
	switch known := slices.Contains(i.revisions, asked); {
	case len(i.injectors(pod)) > 0:
		return ""
	case len(i.revisions) == 0:
		return noWebhook
	case i.asksNothing() && known:
		return i.leftOut()
	case i.asksNothing():
		return fmt.Sprintf("they ask for one of the revision %s, and no Istio of the cluster answers to it: its revisions are %s; `pulumi config set istioRevision %s`, then `pulumi up`",
			asked, revisions, i.revisions[0])
	case known:
		return i.relabel(asked, "")
	}
	return i.relabel(i.revisions[0], fmt.Sprintf(" after `pulumi config set istioRevision %s`", i.revisions[0]))
}

// leftOut is said where a webhook has the revision that is asked for, and does not select.
func (i Injection) leftOut() string {
	return fmt.Sprintf("namespace %s is left out by the selectors of Istio's webhooks: check them with `kubectl get mutatingwebhookconfigurations -l %s -o yaml`",
		i.namespace, injectorSelector)
}

// relabel gives two ways out of labels that no Istio answers to. also is what the second
// needs besides.
func (i Injection) relabel(revision, also string) string {
	var has, without []string
	for _, label := range []string{LabelInjection, LabelRevision} {
		if i.labels.Has(label) {
			has, without = append(has, label+"="+i.labels[label]), append(without, label+"-")
		}
	}
	give, other := LabelRevision+"="+revision, LabelInjection
	if revision == defaultRevision {
		give, other = LabelInjection+"=enabled", LabelRevision
	}
	if i.labels.Has(other) {
		give = other + "- " + give
	}
	return fmt.Sprintf("namespace %s has the label %s, and so no Istio of the cluster (its revisions are %s) gives its pods one: "+
		"`kubectl label --overwrite namespace %s %s` gives one to each new pod in it, `kubectl label namespace %s %s`%s to the app's alone",
		i.namespace, strings.Join(has, " and "), strings.Join(i.revisions, ", "), i.namespace, give, i.namespace, strings.Join(without, " "), also)
}
