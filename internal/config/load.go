package config

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Load reads the configuration of the stack that ctx runs for: the keys of its own project, whatever that
// is called; keys of others (pulumi:, kubernetes:) are none of its business. See Parse for the error.
func Load(ctx *pulumi.Context) (*Config, error) {
	prefix := ctx.Project() + ":"
	values := map[string]string{}
	for _, key := range Keys() {
		if value, found := ctx.GetConfig(prefix + key.Name); found {
			values[key.Name] = value
		}
	}
	// A context gives only the value of a key that one can name, so names that are not declared come from
	// the variable that it was filled from.
	var all map[string]string
	if text := os.Getenv(pulumi.EnvConfig); text != "" {
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			return nil, fmt.Errorf("read the stack's configuration from %s: %w", pulumi.EnvConfig, err)
		}
	}
	for key, value := range all {
		if name, own := strings.CutPrefix(key, prefix); own && position(name) == len(declarations) {
			values[name] = value
		}
	}
	return parse(values, func(name string) bool { return ctx.IsConfigSecret(prefix + name) })
}
