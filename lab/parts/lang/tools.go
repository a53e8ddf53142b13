//go:build tools

// Package tools keeps Pulumi's Go language host, which is built straight from its
// own module, in go.mod, where "go mod tidy" would drop what no file imports.
//
// The language host has a module of its own because it does not compile with the
// Pulumi SDK that the CLI is built with.
package tools

import _ "github.com/pulumi/pulumi/sdk/go/pulumi-language-go/v3"
