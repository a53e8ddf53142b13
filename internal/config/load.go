package config

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Load reads the configuration of the stack that ctx runs for: the keys of its own project, whatever that
// is called; a provider's keys (kubernetes:) are none of its business. Keys that were meant for it and have
// another project's prefix are problems too. See Parse for the error.
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
	secret := func(name string) bool { return ctx.IsConfigSecret(prefix + name) }
	config, err := parse(values, secret, ofOtherProjects(all, ctx.Project(), ctx.Stack())...)
	if err != nil {
		return nil, err
	}
	for _, warning := range config.Warnings(time.Now()) {
		_ = ctx.Log.Warn(warning, nil)
	}
	return config, nil
}
