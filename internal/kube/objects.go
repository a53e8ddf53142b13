package kube

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The objects below hold the fields of Kubernetes' own types that are read here,
// under the same names. k8s.io/api/core/v1 would add 6 MB to the program, most of
// it code for protobuf and for fields that nobody asks for.

// Values of the fields, as Kubernetes' API reference gives them.
const (
	PodPending   = "Pending"
	PodRunning   = "Running"
	PodSucceeded = "Succeeded"
	PodFailed    = "Failed"

	PodScheduled             = "PodScheduled"
	PodReady                 = "Ready"
	DeploymentReplicaFailure = "ReplicaFailure"
	ConditionTrue            = "True"
	ConditionFalse           = "False"
	ReasonUnschedulable      = "Unschedulable"

	EventTypeNormal  = "Normal"
	EventTypeWarning = "Warning"

	// RestartAlways is the restart policy of an init container that keeps running
	// beside the others.
	RestartAlways = "Always"
	// PodTemplateHashLabel tells the pods and ReplicaSets of one version of a
	// Deployment.
	PodTemplateHashLabel = "pod-template-hash"
)

// Pod is a pod.
type Pod struct {
	metav1.ObjectMeta `json:"metadata"`

	Spec   PodSpec   `json:"spec"`
	Status PodStatus `json:"status"`
}

// Ready reports whether the pod is ready.
func (p *Pod) Ready() bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c Condition) bool { return c.Type == PodReady && c.Status == ConditionTrue })
}

// Restarts is how often containers of the pod were restarted.
func (p *Pod) Restarts() int {
	n := 0
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		n += s.RestartCount
	}
	return n
}

// PodSpec is how a pod shall be.
type PodSpec struct {
	NodeName       string      `json:"nodeName"`
	InitContainers []Container `json:"initContainers"`
	Containers     []Container `json:"containers"`
}

// Container is a container of a pod; RestartPolicy is set for init containers
// only.
type Container struct {
	Name           string          `json:"name"`
	Image          string          `json:"image"`
	Ports          []ContainerPort `json:"ports"`
	ReadinessProbe *Probe          `json:"readinessProbe"`
	StartupProbe   *Probe          `json:"startupProbe"`
	RestartPolicy  string          `json:"restartPolicy"`
}

// ContainerPort is a port that a container names.
type ContainerPort struct {
	Name          string `json:"name"`
	ContainerPort int    `json:"containerPort"`
}

// Probe is a probe of a container.
type Probe struct {
	InitialDelaySeconds int `json:"initialDelaySeconds"`
}

// PodStatus is how a pod is.
type PodStatus struct {
	Phase                 string            `json:"phase"`
	Conditions            []Condition       `json:"conditions"`
	InitContainerStatuses []ContainerStatus `json:"initContainerStatuses"`
	ContainerStatuses     []ContainerStatus `json:"containerStatuses"`
}

// Condition is a condition of a pod or a Deployment.
type Condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// ContainerStatus is how a container is.
type ContainerStatus struct {
	Name                 string         `json:"name"`
	Ready                bool           `json:"ready"`
	Started              *bool          `json:"started"`
	RestartCount         int            `json:"restartCount"`
	ImageID              string         `json:"imageID"`
	State                ContainerState `json:"state"`
	LastTerminationState ContainerState `json:"lastState"`
}

// ContainerState has at most one field set.
type ContainerState struct {
	Waiting    *ContainerStateWaiting    `json:"waiting"`
	Running    *ContainerStateRunning    `json:"running"`
	Terminated *ContainerStateTerminated `json:"terminated"`
}

// ContainerStateWaiting says why a container does not run yet.
type ContainerStateWaiting struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// ContainerStateRunning says that a container runs.
type ContainerStateRunning struct{}

// ContainerStateTerminated says how a container ended.
type ContainerStateTerminated struct {
	ExitCode   int         `json:"exitCode"`
	Signal     int         `json:"signal"`
	Reason     string      `json:"reason"`
	Message    string      `json:"message"`
	FinishedAt metav1.Time `json:"finishedAt"`
}

// Event is an event about an object.
type Event struct {
	metav1.ObjectMeta `json:"metadata"`

	InvolvedObject ObjectReference  `json:"involvedObject"`
	Type           string           `json:"type"`
	Reason         string           `json:"reason"`
	Message        string           `json:"message"`
	LastTimestamp  metav1.Time      `json:"lastTimestamp"`
	EventTime      metav1.MicroTime `json:"eventTime"`
	Series         *EventSeries     `json:"series"`
}

// ObjectReference says which part of the object an event is about.
type ObjectReference struct {
	FieldPath string `json:"fieldPath"`
}

// EventSeries says when an event that repeats was last seen.
type EventSeries struct {
	LastObservedTime metav1.MicroTime `json:"lastObservedTime"`
}

// Deployment is a Deployment.
type Deployment struct {
	metav1.ObjectMeta `json:"metadata"`

	Spec   DeploymentSpec   `json:"spec"`
	Status DeploymentStatus `json:"status"`
}

// DeploymentSpec is how a Deployment shall be; nil replicas mean one.
type DeploymentSpec struct {
	Replicas *int        `json:"replicas"`
	Template PodTemplate `json:"template"`
}

// PodTemplate is what a Deployment makes its pods of.
type PodTemplate struct {
	Spec PodSpec `json:"spec"`
}

// DeploymentStatus is how a Deployment is.
type DeploymentStatus struct {
	ObservedGeneration int64       `json:"observedGeneration"`
	Conditions         []Condition `json:"conditions"`
}

// ReplicaSet is a ReplicaSet.
type ReplicaSet struct {
	metav1.ObjectMeta `json:"metadata"`
}
