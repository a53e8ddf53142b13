package canary

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/internal/config"
	"canary/internal/drift"
	"canary/internal/kube"
	"canary/internal/rollout"
)

// nobodyElses makes the creation of an object fail when there is one of the kind and
// the name: the provider would write to it, and a destroy would delete it.
func (p phases) nobodyElses() (pulumi.ResourceOption, error) {
	return p.hooks.BeforeCreate(p.name+": nobody else's", func(create *pulumi.ResourceHookArgs) error {
		object := objectOf(create.NewInputs)
		return p.inHook(func(ctx context.Context, cluster rollout.Cluster, _ rollout.Voice) error {
			exists, err := cluster.Exists(ctx, object)
			if err != nil {
				return fmt.Errorf("looking whether it is there already: %w", err)
			}
			if !exists {
				return nil
			}
			return taken(object)
		}, nil)
	})
}

// objectOf is the object that inputs are for.
func objectOf(inputs resource.PropertyMap) drift.Object {
	text := func(of resource.PropertyMap, key resource.PropertyKey) string {
		if value := plain(of[key]); value.IsString() {
			return value.StringValue()
		}
		return ""
	}
	var metadata resource.PropertyMap
	if value := plain(inputs["metadata"]); value.IsObject() {
		metadata = value.ObjectValue()
	}
	return drift.Object{
		APIVersion: text(inputs, "apiVersion"), Kind: text(inputs, "kind"),
		Namespace: text(metadata, "namespace"), Name: text(metadata, "name"),
	}
}

// taken says what to do about an object that the stack did not make.
func taken(object drift.Object) error {
	if object.Kind == kindNamespace {
		return fmt.Errorf("%s is there already, and this stack does not have it: it would be taken over, and removed with all that is in it by `pulumi destroy`; it was not changed. "+
			"To use it as it is, type `pulumi config set createNamespace false` and `pulumi up`, or choose another with `pulumi config set namespace NAME`; "+
			"if it is a remainder with nothing of yours in it, type `kubectl delete namespace %s` and `pulumi up`", object, object.Name)
	}
	kind := object.Kind
	if group, version, ok := strings.Cut(object.APIVersion, "/"); ok { // others may have a kind of that name
		kind += "." + version + "." + group
	}
	return fmt.Errorf("%s is there already, and this stack does not have it: it would be taken over, and removed by `pulumi destroy`; it was not changed. "+
		"Choose another name with `pulumi config set name NAME`; if it is a remainder of this app, type `kubectl -n %s delete %s %s` and `pulumi up`",
		object, object.Namespace, kind, object.Name)
}

const kindNamespace = "Namespace"

// namespaceTakesPods makes the creation of a resource fail when the namespace, which is
// somebody else's, is not there or gives the app's pods no sidecar. What else is to be
// known of it is said beside the component.
func (p phases) namespaceTakesPods(component pulumi.Resource) (pulumi.ResourceOption, error) {
	stable, _ := subsetsOf(p.args.Config)
	return p.hooks.BeforeCreate(p.name+": namespace", func(*pulumi.ResourceHookArgs) error {
		return p.inHook(func(ctx context.Context, cluster rollout.Cluster, say rollout.Voice) error {
			notes, err := cluster.CheckNamespace(ctx, podLabels(p.args.Config, stable))
			if err != nil {
				return err
			}
			if notes.Info != "" {
				say.Info(notes.Info)
			}
			if notes.Warning != "" {
				say.Warn(notes.Warning)
			}
			return nil
		}, component)
	})
}

// namespaceThere is the namespace's id. Pulumi reads it in a preview, too, and would say
// of one that is not there no more than that; in an update the Service comes first. While
// the cluster does not answer a preview leaves the read out, by an unknown id, and shows
// everything else.
func (p phases) namespaceThere() pulumi.IDInput {
	id := pulumi.ID(p.args.Config.Namespace)
	if !p.ctx.DryRun() || p.args.Config.Cluster.Provider != config.ProviderExisting {
		return id
	}
	result := id.ToIDOutput()
	there := func(ctx context.Context, cluster rollout.Cluster, say rollout.Voice) error {
		err := cluster.NamespaceThere(ctx)
		if unreachable := new(kube.UnreachableError); errors.As(err, &unreachable) {
			say.Warn(fmt.Sprintf("%v; this preview leaves namespace %s out, as if the stack let go of it or deleted it: the update does not delete it, nor anything in it", err, id))
			result = pulumi.UnsafeUnknownOutput(nil).ApplyT(func(any) pulumi.ID { return id }).(pulumi.IDOutput)
			return nil
		}
		return err
	}
	return p.onceKnown(there, nil).ApplyT(func(any) pulumi.IDOutput { return result }).(pulumi.IDOutput)
}
