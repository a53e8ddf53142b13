// Command pulumi-resource-command is the lab's stand-in for Pulumi's Command
// provider, whose own module the Go module proxy does not serve. It is installed
// as the plugin "command" at the version that the Command SDK asks for.
//
// Package local says what it keeps of the real provider and what it leaves out.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"canary/lab/parts/pulumi/command/local"
)

// version is the plugin's version, set by the build with -X main.version.
var version string

func main() {
	if err := serve(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-resource-command: %v\n", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context) error {
	if version == "" {
		return errors.New(`this build has no version: build it with -ldflags "-X main.version=<version of the Command SDK>"`)
	}
	if err := local.Serve(ctx, version); err != nil {
		return fmt.Errorf("serve the provider: %w", err)
	}
	return nil
}
