// Package pulumitest runs a Pulumi program against a recorder in place of an engine, so that a test can say what was
// registered and how it is wired. The recorder does nothing that the engine does by itself: children do not inherit
// their parent's provider or DeletedWith.
package pulumitest

import (
	"maps"
	"slices"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// Project and Stack are the names that programs run under.
const (
	Project = "canary"
	Stack   = "test"
)

// Registration is one registered resource. Other resources appear by their logical names.
type Registration struct {
	Type, Name string
	// Inputs are as the program gave them; secrets are resource.Secret values.
	Inputs      resource.PropertyMap
	Parent      string
	DeletedWith string
	// Provider is the name of an explicit provider, or empty.
	Provider string
	// Dependencies are the explicit and the implied ones, sorted.
	Dependencies []string
	// AdditionalSecretOutputs are the outputs that the program asked to be kept secret, sorted.
	AdditionalSecretOutputs []string
	// RPC is the whole request.
	RPC *pulumirpc.RegisterResourceRequest
}

// Recorder keeps what a program registered, in order. It is safe for concurrent use.
type Recorder struct {
	outputs func(pulumi.MockResourceArgs) resource.PropertyMap
	config  map[string]string
	dryRun  bool

	mu            sync.Mutex
	registrations []Registration
}

// Option changes how a program is run.
type Option func(*Recorder)

// WithOutputs adds outputs to a resource's inputs, which are its outputs otherwise.
func WithOutputs(outputs func(pulumi.MockResourceArgs) resource.PropertyMap) Option {
	return func(r *Recorder) { r.outputs = outputs }
}

// WithConfig sets the stack's configuration, by full key ("canary:canaryWeight").
func WithConfig(config map[string]string) Option {
	return func(r *Recorder) { r.config = config }
}

// WithDryRun runs the program as in a preview.
func WithDryRun() Option {
	return func(r *Recorder) { r.dryRun = true }
}

// Run runs the program to its end, with every Apply in it, and gives what was registered, also when the program fails.
func Run(program pulumi.RunFunc, options ...Option) (*Recorder, error) {
	r := &Recorder{}
	for _, option := range options {
		option(r)
	}
	err := pulumi.RunErr(program, pulumi.WithMocks(Project, Stack, r), func(info *pulumi.RunInfo) {
		info.Config = r.config
		info.DryRun = r.dryRun
	})
	return r, err
}

// NewResource records a registration; the Pulumi SDK calls it.
func (r *Recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	registration := Registration{Type: args.TypeToken, Name: args.Name, Inputs: args.Inputs, RPC: args.RegisterRPC}
	if rpc := args.RegisterRPC; rpc != nil {
		registration.Parent = nameOf(rpc.GetParent())
		registration.DeletedWith = nameOf(rpc.GetDeletedWith())
		registration.Provider = nameOfProvider(rpc.GetProvider())
		registration.AdditionalSecretOutputs = slices.Sorted(slices.Values(rpc.GetAdditionalSecretOutputs()))
		for _, urn := range rpc.GetDependencies() {
			registration.Dependencies = append(registration.Dependencies, nameOf(urn))
		}
		slices.Sort(registration.Dependencies)
	}
	r.mu.Lock()
	r.registrations = append(r.registrations, registration)
	r.mu.Unlock()

	outputs := args.Inputs.Copy()
	if r.outputs != nil {
		maps.Copy(outputs, r.outputs(args))
	}
	return args.Name + "-id", outputs, nil
}

// Call answers an invoke with its arguments; the Pulumi SDK calls it.
func (r *Recorder) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return args.Args, nil
}

// All gives every registration in the order in which they came.
func (r *Recorder) All() []Registration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.registrations)
}

// OfType gives the registrations of a type, in order.
func (r *Recorder) OfType(token string) []Registration {
	return slices.DeleteFunc(r.All(), func(one Registration) bool { return one.Type != token })
}

// Find gives the registration with that type and name, and whether there is one.
func (r *Recorder) Find(token, name string) (Registration, bool) {
	for _, one := range r.All() {
		if one.Type == token && one.Name == name {
			return one, true
		}
	}
	return Registration{}, false
}

func nameOf(urn string) string {
	if urn == "" {
		return ""
	}
	return resource.URN(urn).Name()
}

// nameOfProvider reads a provider reference, which is URN::ID.
func nameOfProvider(reference string) string {
	for i := len(reference) - 1; i > 0; i-- {
		if reference[i] == ':' && reference[i-1] == ':' {
			return nameOf(reference[:i-1])
		}
	}
	return ""
}
