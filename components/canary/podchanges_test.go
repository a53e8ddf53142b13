package canary

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/stretchr/testify/require"
)

func TestPodChanges(t *testing.T) {
	t.Parallel()
	deployment := func(options map[string]string) resource.PropertyMap {
		return find(t, preview(t, options), deploymentType, "app-canary").Inputs
	}
	images := func(canary string) map[string]string {
		return map[string]string{"stableImage": "shop:1", "canaryImage": canary}
	}
	cases := []struct {
		name     string
		from, to map[string]string
		want     []string
	}{
		{"nothing", nil, nil, nil},
		{"the weight", nil, map[string]string{"canaryWeight": "50"}, nil},
		{"the number of pods", nil, map[string]string{"canaryReplicas": "3"}, nil},
		{"no pods", nil, map[string]string{"canaryReplicas": "0"}, nil},
		{"the other subset's image", images("shop:1"), map[string]string{"stableImage": "shop:2", "canaryImage": "shop:1"}, nil},
		{"the image", images("shop:1"), images("shop:2"), []string{`spec.containers[0].image: "shop:1" => "shop:2"`}},
		{
			"the drain", images("shop:1"), map[string]string{"stableImage": "shop:1", "drainSeconds": "5"},
			[]string{
				"metadata.annotations.proxy.istio.io/config: " +
					`"terminationDrainDuration: 25s\ndrainDuration: 45s\n" => "terminationDrainDuration: 10s\ndrainDuration: 45s\n"`,
				"spec.containers[0].lifecycle.preStop.sleep.seconds: 25 => 10",
				"spec.terminationGracePeriodSeconds: 35 => 20",
			},
		},
		{
			"the image and more", images("shop:1"), map[string]string{"stableImage": "shop:1", "canaryImage": "shop:2", "containerPort": "9000"},
			[]string{
				`spec.containers[0].image: "shop:1" => "shop:2"`,
				"spec.containers[0].ports[0].containerPort: 8080 => 9000",
			},
		},
		{
			"a pull secret", images("shop:1"), map[string]string{"stableImage": "shop:1", "imagePullSecret": "registry"},
			[]string{`spec.imagePullSecrets[0].name: (none) => "registry"`},
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, podChanges(deployment(tc.from), deployment(tc.to)))
		})
	}
}

func TestPodChangesInSecrets(t *testing.T) {
	t.Parallel()
	template := func(image string) resource.PropertyMap {
		return resource.PropertyMap{"spec": resource.MakeSecret(resource.NewProperty(resource.PropertyMap{
			"template": resource.NewProperty(resource.PropertyMap{"image": resource.MakeSecret(resource.NewProperty(image))}),
		}))}
	}
	require.Empty(t, podChanges(template("a"), template("a")))
	require.Equal(t, []string{`image: "a" => "b"`}, podChanges(template("a"), template("b")))
}
