// Package release has the words of a canary release: the app, its two subsets and
// the split of its traffic between them; and the one object in which a cluster
// keeps that split, the VirtualService. It reads the split in force, who wrote it,
// and whether the API server would take another, and it writes one when a roll back
// must not wait for the rest of the stack.
//
// What the object says is what istiod was told. What the proxies serve is another
// matter: see packages envoy and converge.
package release
