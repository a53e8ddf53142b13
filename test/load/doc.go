// Package load proves that no request is lost while something changes: it sends requests on time whatever the answers
// do, keeps a record of every one, knows which step of a test was under way, and finds what Envoy wrote about those that
// failed.
package load
