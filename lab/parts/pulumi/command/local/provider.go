package local

import (
	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/middleware/schema"
)

// ProviderName is the plugin's name and the first part of the resource's token.
const ProviderName = "command"

// NewProvider returns the provider, whose only resource is [Command].
func NewProvider() provider.Provider {
	return infer.Provider(infer.Options{
		Metadata: schema.Metadata{
			DisplayName: "Command (lab)",
			Description: "The lab's stand-in for command:local:Command.",
		},
		Resources: []infer.InferredResource{infer.Resource(&Command{})},
	})
}
