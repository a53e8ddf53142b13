//go:build tools

// Package tools keeps k3d, which is built straight from its own module, in go.mod,
// where "go mod tidy" would drop what no file imports.
//
// k3d has a module of its own because its Docker client does not compile with the
// dependencies of the other parts.
package tools

import _ "github.com/k3d-io/k3d/v5"
