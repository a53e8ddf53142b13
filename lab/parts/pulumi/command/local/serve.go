package local

import (
	"context"
	"slices"

	provider "github.com/pulumi/pulumi-go-provider"
	plugin "github.com/pulumi/pulumi/pkg/v3/resource/provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// Serve serves the provider to the engine whose address is in the program's
// arguments, and returns when ctx or the engine ends. The version is reported to
// the engine: semantic, without a leading v.
func Serve(ctx context.Context, version string) error {
	return plugin.MainContext(ctx, ProviderName, newServer(version))
}

func newServer(version string) func(*plugin.HostClient) (pulumirpc.ResourceProviderServer, error) {
	serve := provider.RawServer(ProviderName, version, NewProvider())
	return func(host *plugin.HostClient) (pulumirpc.ResourceProviderServer, error) {
		inner, err := serve(host)
		return server{inner}, err
	}
}

// server mends two answers of the framework's version that is pinned here, so that
// the CLI prints what it prints with the real provider, which has a newer one.
type server struct {
	pulumirpc.ResourceProviderServer
}

// CheckConfig returns the provider's configuration as it is, since there is none to
// check. The framework would add a key that makes the engine warn on every run.
func (s server) CheckConfig(
	_ context.Context, req *pulumirpc.CheckRequest,
) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: req.GetNews()}, nil
}

// Diff names changed inputs by their own name. The framework names the changed
// part, such as environment.A, and the CLI's list of changes leaves that out.
func (s server) Diff(ctx context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	response, err := s.ResourceProviderServer.Diff(ctx, req)
	if err != nil {
		return nil, err
	}
	response.Diffs = inputNames(response.GetDiffs())
	response.Replaces = inputNames(response.GetReplaces())
	return response, nil
}

// inputNames returns the first elements of paths, each once, in order.
func inputNames(paths []string) []string {
	var names []string
	for _, path := range paths {
		name := path
		if elements, err := resource.ParsePropertyPath(path); err == nil && len(elements) > 0 {
			if first, ok := elements[0].(string); ok {
				name = first
			}
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
