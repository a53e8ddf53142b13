package cluster

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi-command/sdk/go/command/local"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/internal/config"
	"canary/internal/pins"
)

// k3dSpec is all that the Commands of a k3d cluster need to know.
type k3dSpec struct {
	config.Cluster
	file string // k3d's configuration file
	room string // what the cluster takes of its engine
}

func newK3dSpec(c config.Cluster, stackName string, appPods int) (*k3dSpec, error) {
	file, err := k3dConfig(c, stackName)
	if err != nil {
		return nil, err
	}
	return &k3dSpec{Cluster: c, file: string(file), room: room(c, appPods)}, nil
}

// publishedPorts are the ports of this machine that the cluster takes, as words key=port.
func publishedPorts(c config.Cluster) []string {
	var published []string
	for _, port := range []struct {
		key    string
		number int
	}{{"httpPort", c.HTTPPort}, {"httpsPort", c.HTTPSPort}, {"registryPort", c.RegistryPort}} {
		if port.number != 0 {
			published = append(published, fmt.Sprintf("%s=%d", port.key, port.number))
		}
	}
	return published
}

// register adds the Commands to the component. They run in the project's folder; the scripts' paths are relative to it,
// because the delete is stored in the state and has to work in a checkout that was moved.
func (s *k3dSpec) register(ctx *pulumi.Context, name string, c *Cluster) error {
	identity, err := local.NewCommand(ctx, name+"-identity", &local.CommandArgs{
		Create:      pulumi.String("sh scripts/cluster-identity.sh"),
		Update:      pulumi.String("sh scripts/cluster-identity.sh"), // so that older stacks run it once more
		Delete:      pulumi.String("sh scripts/cluster-delete.sh"),
		Environment: pulumi.StringMap{"CLUSTER_NAME": pulumi.String(s.Name)},
	}, pulumi.Parent(c))
	if err != nil {
		return fmt.Errorf("register the identity of the cluster %s: %w", name, err)
	}

	id, engine := partsOf(identity.Stdout)
	c.guard = func(after []pulumi.Resource) error {
		_, err := local.NewCommand(ctx, name+"-engine", &local.CommandArgs{
			Delete: pulumi.String("sh scripts/cluster-engine.sh"),
			Environment: pulumi.StringMap{
				"CLUSTER_NAME":   pulumi.String(s.Name),
				"CLUSTER_ID":     id,
				"CLUSTER_ENGINE": engine,
			},
		}, pulumi.Parent(c), pulumi.DependsOn(after))
		return err
	}
	server, err := local.NewCommand(ctx, name, &local.CommandArgs{
		Create: pulumi.String("sh scripts/cluster-create.sh"),
		Environment: pulumi.StringMap{
			"CLUSTER_NAME":         pulumi.String(s.Name),
			"CLUSTER_ID":           id,
			"CLUSTER_ENGINE":       engine,
			"CLUSTER_CONFIG":       pulumi.String(s.file),
			"CLUSTER_SETTINGS":     pulumi.String(settings(s.Cluster)),
			"CLUSTER_PORTS":        pulumi.String(strings.Join(publishedPorts(s.Cluster), " ")),
			"CLUSTER_ROOM":         pulumi.String(s.room),
			"CLUSTER_REGISTRY_SET": pulumi.String(strconv.FormatBool(s.RegistrySet)),
			"IMAGE_CACHE_FROM":     pulumi.String(s.ImageCache),
			"IMAGE_CACHE_IMAGE":    pulumi.String(pins.RegistryImage),
		},
		// A living cluster keeps the configuration that it was made with. What may not change in it is in the settings. How much
		// room it takes is asked before it is made.
	}, pulumi.Parent(c), pulumi.IgnoreChanges([]string{"environment.CLUSTER_CONFIG", "environment.CLUSTER_ROOM"}))
	if err != nil {
		return fmt.Errorf("register the k3d cluster %s: %w", name, err)
	}

	// Nothing waits for it: agents that cannot be drained keep nothing else from changing.
	agents, err := local.NewCommand(ctx, name+"-agents", &local.CommandArgs{
		Create: pulumi.String("sh scripts/cluster-agents.sh"),
		Environment: pulumi.StringMap{
			"CLUSTER_NAME":   pulumi.String(s.Name),
			"CLUSTER_ID":     id,
			"CLUSTER_ENGINE": engine,
			"CLUSTER_AGENTS": pulumi.String(strconv.Itoa(s.Agents)),
		},
	}, pulumi.Parent(c), pulumi.DependsOn([]pulumi.Resource{server}))
	if err != nil {
		return fmt.Errorf("register the agents of the cluster %s: %w", name, err)
	}

	kubeconfig, err := local.NewCommand(ctx, name+"-kubeconfig", &local.CommandArgs{
		Create: pulumi.String("sh scripts/cluster-kubeconfig.sh"),
		Environment: pulumi.StringMap{
			"CLUSTER_NAME":   pulumi.String(s.Name),
			"CLUSTER_SERVER": server.Stdout,
		},
		Logging:                local.LoggingNone,
		AddPreviousOutputInEnv: pulumi.Bool(false),
	}, pulumi.Parent(c), pulumi.AdditionalSecretOutputs([]string{"stdout"}))
	if err != nil {
		return fmt.Errorf("register the kubeconfig of the cluster %s: %w", name, err)
	}

	c.Ready = []pulumi.Resource{kubeconfig}
	if len(s.ImportImages) > 0 {
		images, err := local.NewCommand(ctx, name+"-images", &local.CommandArgs{
			Create: pulumi.String("sh scripts/cluster-import-images.sh"),
			Environment: pulumi.StringMap{
				"CLUSTER_NAME":   pulumi.String(s.Name),
				"CLUSTER_SERVER": server.Stdout,
				"CLUSTER_NODES":  agents.Stdout,
				"IMAGES":         pulumi.String(strings.Join(s.ImportImages, "\n")),
			},
		}, pulumi.Parent(c))
		if err != nil {
			return fmt.Errorf("register the images of the cluster %s: %w", name, err)
		}
		c.Ready = append(c.Ready, images)
	}

	c.Kubeconfig = secret(kubeconfig.Stdout)
	c.Context = "k3d-" + s.Name
	c.Owned = identity
	return nil
}

// partsOf takes the identity of a cluster apart: its id, and the engine that it lives on,
// which is empty in stacks that were made before engines were recorded.
func partsOf(identity pulumi.StringOutput) (id, engine pulumi.StringOutput) {
	part := func(i int) pulumi.StringOutput {
		return identity.ApplyT(func(text string) string {
			id, engine, _ := strings.Cut(text, " ")
			return []string{id, engine}[i]
		}).(pulumi.StringOutput)
	}
	return part(0), part(1)
}
