// Package drift finds what somebody else changed in the objects of a stack.
//
//   - An object has drifted when it is gone, or when a field that the stack wrote has
//     another value. What others add to it is theirs.
//   - More pods than the stack wants are no drift: an autoscaler may have its reasons.
//   - An object that may not be read is not known to have drifted.
//   - Who changed a field, and when, is what the object's managedFields say.
//
// It only reads, one object with one request.
package drift

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"canary/internal/kube"
	"canary/internal/release"
)

// Object is an object as the stack wrote it.
type Object struct {
	APIVersion, Kind, Namespace, Name string
	// Fields are what the stack wrote, from the object's root, as JSON has it.
	Fields map[string]any
}

func (o Object) String() string {
	if o.Namespace == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}

// resource is where the API server has objects of the kind. The kinds of a stack
// have regular plurals.
func (o Object) resource() schema.GroupVersionResource {
	version, err := schema.ParseGroupVersion(o.APIVersion)
	if err != nil {
		version = schema.GroupVersion{Version: o.APIVersion}
	}
	return version.WithResource(strings.ToLower(o.Kind) + "s")
}

// Change is what became of one object.
type Change struct {
	Object Object
	Gone   bool
	// Fields say what each field is instead: "spec.replicas: 1 => 3".
	Fields []string
	// By says who wrote the first of them, and when; "" is not known.
	By string
}

// maxFields is how many fields a change spells out.
const maxFields = 3

// String is one line.
func (c Change) String() string {
	if c.Gone {
		return c.Object.String() + " is gone: somebody deleted it"
	}
	shown := c.Fields
	if len(shown) > maxFields {
		shown = append(shown[:maxFields:maxFields], fmt.Sprintf("and %d more", len(c.Fields)-maxFields))
	}
	line := c.Object.String() + " has " + strings.Join(shown, ", ")
	if c.By != "" {
		line += ", as " + c.By + " wrote it"
	}
	return line
}

// Lines gives each change a line of its own.
func Lines(changes []Change) string {
	lines := make([]string, len(changes))
	for i, change := range changes {
		lines[i] = "  " + change.String()
	}
	return strings.Join(lines, "\n")
}

// Find gives the objects that are no longer as the stack wrote them, in the order
// in which they are given.
func Find(ctx context.Context, c *kube.Client, objects []Object) ([]Change, error) {
	found := make([]*Change, len(objects))
	group, ctx := errgroup.WithContext(ctx)
	for i, object := range objects {
		group.Go(func() (err error) {
			found[i], err = look(ctx, c, object)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var changes []Change
	for _, change := range found {
		if change != nil {
			changes = append(changes, *change)
		}
	}
	return changes, nil
}

// Exists reports whether there is an object of the kind and the name, whoever made it.
func Exists(ctx context.Context, c *kube.Client, object Object) (bool, error) {
	_, err := get(ctx, c, object)
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("%s: %w", object, err)
	}
	return true, nil
}

func get(ctx context.Context, c *kube.Client, object Object) (*unstructured.Unstructured, error) {
	return c.Dynamic().Resource(object.resource()).Namespace(object.Namespace).Get(ctx, object.Name, metav1.GetOptions{})
}

// look is nil for an object that is as it was written.
func look(ctx context.Context, c *kube.Client, object Object) (*Change, error) {
	live, err := get(ctx, c, object)
	switch {
	case apierrors.IsNotFound(err):
		return &Change{Object: object, Gone: true}, nil
	case apierrors.IsForbidden(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %w", object, err)
	case live.GetDeletionTimestamp() != nil:
		return &Change{Object: object, Gone: true}, nil
	}
	differences := compare(object.Fields, live.Object, nil)
	if len(differences) == 0 {
		return nil, nil
	}
	change := &Change{Object: object, By: writer(live.GetManagedFields(), differences[0].path)}
	for _, d := range differences {
		change.Fields = append(change.Fields, d.String())
	}
	return change, nil
}

// writer says which other than the stack wrote a field last, or a field that it is part
// of and that is written as a whole, such as a Service's selector. "" is not known.
func writer(entries []metav1.ManagedFieldsEntry, to path) string {
	for i := len(to) - 1; i > 0; i-- {
		if by := kube.LastWriter(entries, to[i]); by != "" && !release.Ours(by) {
			return by
		}
	}
	return ""
}
