//go:build e2e

// Package harness is what the end-to-end tests are told with: a copy of the checkout with stacks of its own, the commands
// that a user types, images that only this machine has, looks into the cluster, and load. It knows no story. What it
// verifies fails the test that asked.
package harness
