//go:build tools

// Package tools keeps podinfo, which is built straight from its own module, in
// go.mod, where "go mod tidy" would drop what no file imports.
package tools

import _ "github.com/stefanprodan/podinfo/cmd/podinfo"
