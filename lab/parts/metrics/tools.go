//go:build tools

// Package tools keeps metrics-server, which is built straight from its own module, in go.mod, where "go mod tidy"
// would drop what no file imports. What it shares with Kubernetes has the versions of parts/cluster, and is compiled once.
package tools

import _ "sigs.k8s.io/metrics-server/cmd/metrics-server"
