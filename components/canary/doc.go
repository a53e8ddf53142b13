// Package canary runs an app in two subsets, stable and canary, behind one
// Service, and splits its traffic between them: ingress traffic and mesh traffic
// alike.
//
// From top to bottom: component.go is what the program uses; register.go registers
// the objects, in their order; phases.go runs the phases of package rollout in the
// running cluster, before and after those objects are written; others.go keeps what is
// somebody else's from being taken over. Below are pure
// functions from configuration to objects: workloads.go and routing.go, with
// subsets.go, example.go and metadata.go; podchanges.go compares two of them.
package canary
