package readiness

import (
	"fmt"
	"regexp"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"canary/internal/kube"
	"canary/internal/release"
)

const (
	revisionAnnotation = "deployment.kubernetes.io/revision"
	hashLabel          = appsv1.DefaultDeploymentUniqueLabelKey
)

// serviceURL is the Service of a webhook in what the API server says, with its namespace.
var serviceURL = regexp.MustCompile(`https://[a-z0-9-]+\.([a-z0-9-]+)\.svc\b`)

// subsetState is one subset in a snapshot.
type subsetState struct {
	name      string
	wanted    int
	ready     []*corev1.Pod // ready pods of the newest version
	fresh     int           // of these pods, those that may be ready for a moment only
	unready   []*corev1.Pod // pods of the newest version that are not ready
	older     int           // pods of older versions that still count
	stages    int           // how far all pods of the newest version have come
	ownReason *finding      // why there are no pods to look at
}

func (s *subsetState) done() bool {
	return s.wanted <= 0 || (s.ownReason == nil && len(s.ready)-s.fresh >= s.wanted && s.older == 0)
}

func (s *subsetState) String() string {
	text := fmt.Sprintf("%s: %d of %d pods ready", s.name, len(s.ready), s.wanted)
	if s.fresh > 0 {
		text += fmt.Sprintf(", %d of them for less than %v", s.fresh, steadyAfter)
	}
	if s.older > 0 {
		text += fmt.Sprintf(", %d of the version before still there", s.older)
	}
	return text
}

// subset takes one subset out of a snapshot.
func (s snapshot) subset(app release.App, name string, pods release.Pods) *subsetState {
	state := &subsetState{name: name, wanted: pods.Min}
	deployment := s.deployment(name)
	if deployment == nil {
		state.ownReason = &finding{
			kind: kindCreate, uid: name, reason: "NoDeployment", patience: shortPatience,
			message: fmt.Sprintf("namespace %s has no Deployment with the labels %s=%s and %s=%s", app.Namespace, release.LabelName, app.Name, release.LabelSubset, name),
			advice:  "`pulumi up --refresh` makes it again",
		}
		return state
	}
	state.wanted = pods.Wanted(asked(deployment))
	if deployment.Status.ObservedGeneration < deployment.Generation {
		state.ownReason = &finding{
			kind: kindCreate, uid: name, reason: "NotObserved", patience: never,
			message: "the Deployment's controller has not taken up its newest version yet",
		}
		return state
	}
	hash := s.newestHash(deployment)
	for i := range s.pods {
		pod := &s.pods[i]
		if pod.Labels[release.LabelSubset] != name || over(pod) {
			continue
		}
		switch {
		case hash == "" || pod.Labels[hashLabel] != hash:
			state.older++
		case kube.Ready(pod) && hasSidecar(pod):
			state.ready = append(state.ready, pod)
			state.stages += stage(pod)
		default:
			state.unready = append(state.unready, pod)
			state.stages += stage(pod)
		}
	}
	for _, condition := range deployment.Status.Conditions {
		if condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue && len(state.ready) < state.wanted {
			refused := notMade(kube.OneLine(condition.Message))
			refused.uid, refused.reason = name, condition.Reason
			state.ownReason = &refused
		}
	}
	return state
}

// notMade is why the API server does not take a pod, by what it says.
func notMade(message string) finding {
	f := finding{kind: kindCreate, message: message, patience: shortPatience}
	switch {
	case !kube.WebhookFailed(message):
		f.advice = "the namespace does not admit the pod: check its quota, its limit ranges and its admission webhooks"
	case !strings.Contains(message, ".sidecar-injector.istio.io"):
		f.advice = "the webhook that the message names has to answer before a pod is made: check who serves it"
	case strings.Contains(message, "x509:"):
		namespace := "ISTIO-NAMESPACE"
		if service := serviceURL.FindStringSubmatch(message); service != nil {
			namespace = service[1]
		}
		f.advice = "the API server does not trust istiod, which gives pods their sidecars; istiod writes its certificate into its webhook " +
			"when it starts: `kubectl -n " + namespace + " rollout restart deployment -l app=istiod`"
	default:
		f.patience = awayPatience
		f.advice = "istiod, which gives pods their sidecars, does not answer: check it (`kubectl get pods -A -l app=istiod`), then `pulumi up` again"
	}
	return f
}

// asked is the number of pods that a Deployment asks for.
func asked(deployment *appsv1.Deployment) int {
	if replicas := deployment.Spec.Replicas; replicas != nil {
		return int(*replicas)
	}
	return 1 // the API's default
}

func (s snapshot) deployment(subset string) *appsv1.Deployment {
	for i := range s.deployments {
		if s.deployments[i].Labels[release.LabelSubset] == subset {
			return &s.deployments[i]
		}
	}
	return nil
}

// newestHash is the pod-template-hash of the Deployment's newest version: of
// its ReplicaSet with the Deployment's own revision.
func (s snapshot) newestHash(deployment *appsv1.Deployment) string {
	for i := range s.replicaSets {
		set := &s.replicaSets[i]
		owned := false
		for _, owner := range set.OwnerReferences {
			owned = owned || owner.UID == deployment.UID
		}
		if owned && set.Annotations[revisionAnnotation] == deployment.Annotations[revisionAnnotation] {
			return set.Labels[hashLabel]
		}
	}
	return ""
}
