// Package hooks runs functions of the program right before a resource is
// written: only when it is really about to be, in an update, and never in a
// preview. A function that fails stops the write.
package hooks

import (
	"context"
	"fmt"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Register registers a hook; it is the method RegisterResourceHook of
// pulumi.Context. The SDK's mocks do not have it, so tests put another in its
// place, which may give no hook.
type Register func(name string, run pulumi.ResourceHookFunction, options *pulumi.ResourceHookOptions) (*pulumi.ResourceHook, error)

// Of is how the program registers its hooks. Under the SDK's mocks, which cannot, it gives no hook.
func Of(ctx *pulumi.Context) Register {
	if ctx.RunningWithMocks() {
		return func(string, pulumi.ResourceHookFunction, *pulumi.ResourceHookOptions) (*pulumi.ResourceHook, error) {
			return nil, nil
		}
	}
	return ctx.RegisterResourceHook
}

// BeforeCreate runs a function before a resource is created; it is given the inputs
// to come. The name is shown with the function's error; it must be the only one in the
// program.
func (r Register) BeforeCreate(name string, run pulumi.ResourceHookFunction) (pulumi.ResourceOption, error) {
	hook, err := r.register(name, run)
	if err != nil {
		return nil, err
	}
	return pulumi.ResourceHooks(&pulumi.ResourceHookBinding{BeforeCreate: hook}), nil
}

// BeforeUpdate runs a function before a resource is changed in place; it is
// given the inputs of before and those to come. The name is as in BeforeCreate.
func (r Register) BeforeUpdate(name string, run pulumi.ResourceHookFunction) (pulumi.ResourceOption, error) {
	hook, err := r.register(name, run)
	if err != nil {
		return nil, err
	}
	return pulumi.ResourceHooks(&pulumi.ResourceHookBinding{BeforeUpdate: hook}), nil
}

// BeforeWrite runs a function before a resource is created or changed in place.
// The name is as in BeforeCreate.
func (r Register) BeforeWrite(name string, run func() error) (pulumi.ResourceOption, error) {
	hook, err := r.register(name, func(*pulumi.ResourceHookArgs) error { return run() })
	if err != nil {
		return nil, err
	}
	return pulumi.ResourceHooks(&pulumi.ResourceHookBinding{BeforeCreate: hook, BeforeUpdate: hook}), nil
}

// AfterWrite runs a function after a resource was created or changed in place.
// The name is as in BeforeCreate.
func (r Register) AfterWrite(name string, run func() error) (pulumi.ResourceOption, error) {
	hook, err := r.register(name, func(*pulumi.ResourceHookArgs) error { return run() })
	if err != nil {
		return nil, err
	}
	return pulumi.ResourceHooks(&pulumi.ResourceHookBinding{AfterCreate: hook, AfterUpdate: hook}), nil
}

// AroundWrite runs a function before a resource is created or changed in place, with the resource's name, and after it
// what that gave back, unless the write fails. The name is as in BeforeCreate; one binding may be for several resources.
func (r Register) AroundWrite(name string, begin func(resource string) (end func())) (pulumi.ResourceOption, error) {
	var ends sync.Map
	before, err := r.register(name+": before", func(args *pulumi.ResourceHookArgs) error {
		ends.Store(args.Name, begin(args.Name))
		return nil
	})
	if err != nil {
		return nil, err
	}
	after, err := r.register(name+": after", func(args *pulumi.ResourceHookArgs) error {
		if end, found := ends.Load(args.Name); found {
			end.(func())()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return pulumi.ResourceHooks(&pulumi.ResourceHookBinding{BeforeCreate: before, BeforeUpdate: before, AfterCreate: after, AfterUpdate: after}), nil
}

func (r Register) register(name string, run pulumi.ResourceHookFunction) ([]*pulumi.ResourceHook, error) {
	hook, err := r(name, run, nil)
	if err != nil {
		return nil, fmt.Errorf("register hook %q: %w", name, err)
	}
	return []*pulumi.ResourceHook{hook}, nil
}

// Value lets a hook wait for the value of an output. The hook must belong to a
// resource that comes after the output, or it may wait for ever.
func Value(ctx *pulumi.Context, text pulumi.StringInput) func() (string, error) {
	value := make(chan string, 1)
	text.ToStringOutput().ApplyT(func(known string) bool {
		value <- known
		return true
	})
	return func() (string, error) {
		select {
		case known := <-value:
			value <- known // for the next hook
			return known, nil
		case <-ctx.Context().Done():
			return "", context.Cause(ctx.Context())
		}
	}
}
