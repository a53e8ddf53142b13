//go:build tools

// Package tools keeps Istio's programs, which are built straight from their own
// module, in go.mod, where "go mod tidy" would drop what no file imports. They
// share this module with Kubernetes and CoreDNS so that common packages compile
// once.
package tools

import (
	_ "istio.io/istio/pilot/cmd/pilot-agent"
	_ "istio.io/istio/pilot/cmd/pilot-discovery"
)
