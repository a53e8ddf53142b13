package istio

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/internal/hooks"
	"canary/internal/kube"
	"canary/internal/mesh"
)

// finder looks for an Istio in the cluster of a kubeconfig's context.
type finder func(ctx context.Context, kubeconfig, contextName string) (mesh.InstalledIstio, error)

func findInCluster(ctx context.Context, kubeconfig, contextName string) (mesh.InstalledIstio, error) {
	client, err := kube.New([]byte(kubeconfig), contextName)
	if err != nil {
		return mesh.InstalledIstio{}, err
	}
	return mesh.FindIstio(ctx, client)
}

// onlyOurs makes the creation of a resource fail when the cluster has an Istio
// that the stack did not install. It is for the resource that is installed first:
// a stack that installed Istio has it in its state and does not create it again.
func (a *Args) onlyOurs(ctx *pulumi.Context) (pulumi.ResourceOption, error) {
	find := a.find
	if find == nil {
		find = findInCluster
	}
	kubeconfig := hooks.Value(ctx, a.Kubeconfig)
	return a.register(ctx).BeforeCreate("no other Istio", func(*pulumi.ResourceHookArgs) error {
		text, err := kubeconfig()
		if err != nil {
			return err
		}
		found, err := find(ctx.Context(), text, a.Context)
		if err != nil {
			return fmt.Errorf("looking for an Istio that is there already: %w", err)
		}
		return refuse(found)
	})
}

func (a *Args) register(ctx *pulumi.Context) hooks.Register {
	if a.hooks != nil {
		return a.hooks
	}
	return hooks.Of(ctx)
}

// refuse says why an Istio that was found cannot be installed over; nil when
// there is none.
func refuse(found mesh.InstalledIstio) error {
	switch {
	case len(found.Istiods) > 0:
		return fmt.Errorf("this cluster has an Istio already (istiod is Deployment %s). "+
			"This stack did not install it and does not overwrite it; nothing was written. "+
			"To use it, type `pulumi config set istioInstall false` and `pulumi up`", strings.Join(found.Istiods, ", "))
	case len(found.Injectors) > 0:
		return fmt.Errorf("this cluster has parts of an Istio already (webhook %s, but no Deployment with the label app=istiod). "+
			"This stack did not install them and does not overwrite them; nothing was written. "+
			"To use that Istio, type `pulumi config set istioInstall false` and `pulumi up`; "+
			"if it is a remainder, remove it first", strings.Join(found.Injectors, ", "))
	case found.Namespace:
		return errors.New("the namespace " + namespace + " is there already, and this stack did not make it: " +
			"it would be taken over, and removed by `pulumi destroy`; nothing was written. " +
			"If it is a remainder with nothing of yours in it, type `kubectl delete namespace " + namespace + "` and `pulumi up`")
	}
	return nil
}
