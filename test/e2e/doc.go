// Package e2e drives the real Pulumi CLI on a real cluster with real traffic. `make e2e` runs it (build tag
// e2e). Each file here is one story; what the stories are told with is package harness, and what runs in their clusters
// is in programs. It works in a copy of the checkout, with names of its own. Tests that only change settings share one
// stack, which is brought up for the first of them; each can be run alone.
package e2e
