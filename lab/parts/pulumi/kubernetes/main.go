// Command pulumi-resource-kubernetes is Pulumi's Kubernetes provider, built for
// the offline lab, which cannot download the released plugin.
//
// The provider's own main embeds files that its release process makes and that its
// module does not hold. This one embeds the module's schema.json, which the build
// copies here first.
package main

import (
	_ "embed"
	"fmt"
	"os"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

// version is the plugin's version without a leading v, set by the build with -X main.version.
var version string

//go:embed schema.json
var schema []byte

// terraformMapping is empty: only `pulumi convert` reads it.
var terraformMapping = []byte("{}")

func main() {
	if version == "" {
		fmt.Fprintln(os.Stderr, `pulumi-resource-kubernetes: this build has no version: `+
			`build it with -ldflags "-X main.version=<version of the Kubernetes SDK>"`)
		os.Exit(1)
	}
	provider.Serve("kubernetes", "v"+version, schema, terraformMapping)
}
