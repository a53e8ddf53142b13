// Package e2e drives the real Pulumi CLI on a real cluster with real traffic. `make e2e` runs it (build tag
// e2e); it works in a copy of the checkout, on a cluster and a stack of its own, with names of its own.
package e2e
