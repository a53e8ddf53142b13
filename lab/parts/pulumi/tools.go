//go:build tools

// Package tools keeps the programs that are built straight from their own modules
// in go.mod, where "go mod tidy" would drop what no file imports. The CLI shares
// this module with the providers so that their common packages compile once.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
