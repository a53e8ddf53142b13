package mesh

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"canary/internal/kube"
	"canary/internal/release"
)

var peerAuthentications = schema.GroupVersionResource{Group: "security.istio.io", Version: "v1", Resource: "peerauthentications"}

const strict = "STRICT"

type peerAuthentication struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector struct {
			Labels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		MTLS struct {
			Mode string `json:"mode"`
		} `json:"mtls"`
	} `json:"spec"`
}

// plainText says that pods with the labels take plain text, because of what, and what
// changes that for these pods alone; "" when they do not, or when it may not be read.
func plainText(ctx context.Context, c *kube.Client, app release.App, pod labels.Set) string {
	var all []peerAuthentication
	for _, namespace := range []string{app.Namespace, istioNamespace} {
		list, err := c.Dynamic().Resource(peerAuthentications).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return ""
		}
		all = append(all, decode[peerAuthentication](list.Items)...)
	}
	mode, from := mtlsMode(all, app.Namespace, pod)
	if mode == strict {
		return ""
	}
	return fmt.Sprintf("the app's pods take plain text beside mTLS: their mode is %s, by %s, which is not the stack's and is left as it is. This lets them, and no other pod, refuse it: "+
		`echo '{"apiVersion":"security.istio.io/v1","kind":"PeerAuthentication","metadata":{"name":"%s"},"spec":{"selector":{"matchLabels":{"%s":"%s"}},"mtls":{"mode":"%s"}}}' | kubectl -n %s apply -f -`,
		mode, from, app.Name, release.LabelName, app.Name, strict, app.Namespace)
}

// mtlsMode is the mode of pods with the labels, and what it comes from. The narrowest
// that says a mode counts: one that selects the pods, one for the whole namespace, one
// for the whole mesh; of several the oldest.
func mtlsMode(all []peerAuthentication, namespace string, pod labels.Set) (mode, from string) {
	const nobody, unset = "Istio's default", "UNSET"
	scopes := []func(peerAuthentication) bool{
		func(p peerAuthentication) bool {
			return p.Namespace == namespace && len(p.Spec.Selector.Labels) > 0 && labels.SelectorFromSet(p.Spec.Selector.Labels).Matches(pod)
		},
		func(p peerAuthentication) bool { return p.Namespace == namespace && len(p.Spec.Selector.Labels) == 0 },
		func(p peerAuthentication) bool {
			return p.Namespace == istioNamespace && len(p.Spec.Selector.Labels) == 0
		},
	}
	for _, counts := range scopes {
		var first *peerAuthentication
		for i := range all {
			if counts(all[i]) && (first == nil || olderFirst(all[i].ObjectMeta, first.ObjectMeta) < 0) {
				first = &all[i]
			}
		}
		if first != nil && first.Spec.MTLS.Mode != "" && first.Spec.MTLS.Mode != unset {
			return first.Spec.MTLS.Mode, "PeerAuthentication " + first.Namespace + "/" + first.Name
		}
	}
	return "PERMISSIVE", nobody
}
