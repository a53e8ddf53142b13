// Package istio installs Istio as istioctl's demo profile does: the CRDs
// (base), istiod, an ingress gateway and an egress gateway, each as one Helm
// release with a fixed name.
//
// values.go holds the Helm values as pure functions, component.go registers
// them in order, release.go is the resource that they are registered with.
package istio
