// Command istiod is a Pulumi program that installs another istiod beside those that are there, as `helm install` does.
package main

import (
	"encoding/json"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		get := func(key string) string {
			value, _ := ctx.GetConfig(ctx.Project() + ":" + key)
			return value
		}
		var values map[string]any
		if err := json.Unmarshal([]byte(get("values")), &values); err != nil {
			return err
		}
		provider, err := kubernetes.NewProvider(ctx, "cluster", &kubernetes.ProviderArgs{Kubeconfig: pulumi.String(get("kubeconfig"))})
		if err != nil {
			return err
		}
		// Not by the SDK's package for Helm, which takes minutes to compile.
		var release pulumi.CustomResourceState
		return ctx.RegisterResource("kubernetes:helm.sh/v3:Release", "istiod", pulumi.Map{
			"name": pulumi.String(get("release")), "namespace": pulumi.String("istio-system"),
			"chart": pulumi.String(get("chart")), "values": pulumi.ToMap(values),
		}, &release, pulumi.Provider(provider))
	})
}
