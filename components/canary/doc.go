// Package canary runs an app in two subsets, stable and canary, behind one
// Service, and splits its traffic between them: ingress traffic and mesh traffic
// alike.
//
// subsets.go, example.go, workloads.go and routing.go are pure functions from
// configuration to objects; component.go and register.go register the objects.
// guard.go and converge.go are what happens in the running cluster around the
// write of the split: before it, the subsets that it moves towards have to be
// ready; after it, every proxy has to serve it.
package canary
