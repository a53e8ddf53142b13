// Package istiod reads the books of istiod: for each connection of a proxy, which
// push it was sent last and which it has acknowledged (/debug/syncz on the pod's
// loopback). A push has a counter that grows by one with every push of one run of
// one istiod; counters of different runs do not compare.
package istiod
