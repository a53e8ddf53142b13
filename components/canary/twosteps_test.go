package canary

import (
	"errors"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"canary/internal/pulumitest"
	"canary/internal/release"
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

func TestTwoSteps(t *testing.T) {
	t.Parallel()
	gone := errors.New("cluster not reachable")
	const refused = "this update would change the pods of subset"
	cases := []struct {
		name     string
		weight   string
		subset   string
		inForce  release.Split
		splitErr error
		err      string
	}{
		{name: "canary loses weight", weight: "0", subset: canarySubset, inForce: release.Split{Stable: 50, Canary: 50}, err: refused},
		{name: "canary loses some weight", weight: "49.99", subset: canarySubset, inForce: release.Split{Stable: 50, Canary: 50}, err: refused},
		{name: "stable loses weight", weight: "10", subset: stableSubset, inForce: release.Split{Stable: 100}, err: refused},
		{name: "canary gains weight", weight: "60", subset: canarySubset, inForce: release.Split{Stable: 50, Canary: 50}},
		{name: "stable gains weight", weight: "0", subset: stableSubset, inForce: release.Split{Stable: 50, Canary: 50}},
		{name: "canary keeps its weight", weight: "50", subset: canarySubset, inForce: release.Split{Stable: 5000, Canary: 5000}},
		{name: "canary serves nothing", weight: "0", subset: canarySubset, inForce: release.Split{Stable: 100}},
		{name: "stable serves nothing", weight: "100", subset: stableSubset, inForce: release.Split{Canary: 100}},
		{
			name: "there is no split yet", weight: "0", subset: canarySubset,
			splitErr: apierrors.NewNotFound(schema.GroupResource{Resource: "virtualservices"}, "app"),
		},
		{name: "the split was made impossible by hand", weight: "0", subset: canarySubset, splitErr: release.ErrNoSplit},
		{name: "the split cannot be read", weight: "0", subset: canarySubset, splitErr: gone, err: "the split in force has to be known"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRollout(configuration(t, map[string]string{"canaryWeight": tc.weight}))
			app := &fakeLive{inForce: tc.inForce, splitErr: tc.splitErr}
			err := r.podsKeepStill(t.Context(), app, tc.subset, []string{"a change"})
			if tc.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.err)
		})
	}
}

func TestTwoStepsMessage(t *testing.T) {
	t.Parallel()
	r := newRollout(configuration(t, map[string]string{"canaryWeight": "0"}))
	app := &fakeLive{inForce: release.Split{Stable: 50, Canary: 50}}
	err := r.podsKeepStill(t.Context(), app, canarySubset, []string{"one", "two", "three", "four", "five"})
	require.EqualError(t, err, `this update would change the pods of subset canary and take weight from it, while it serves requests
  split in force: stable 50 / canary 50
  wanted split:   stable 100 / canary 0
  changes of its pods:
    one
    two
    three
    and 2 more
neither its pods nor the split were changed. Do it in two steps:
  1. undo the changes of its pods in the configuration, leave canaryWeight as it is, and type `+"`pulumi up`"+`: the split moves
  2. make the changes again and type `+"`pulumi up`"+`: the pods follow`)
}

// Each Deployment is guarded as its own subset.
func TestTwoStepsHooks(t *testing.T) {
	t.Parallel()
	app := &fakeLive{inForce: release.Split{Stable: 50, Canary: 50}}
	hooks := recordedHooks{}
	cfg := configuration(t, map[string]string{"canaryWeight": "40"})
	_, err := pulumitest.Run(hooked(cfg, app.connect, hooks, nil))
	require.NoError(t, err)
	require.Len(t, hooks, 3)

	was := find(t, preview(t, nil), deploymentType, "app-stable").Inputs
	is := find(t, preview(t, map[string]string{"stableImage": "shop:2"}), deploymentType, "app-stable").Inputs
	change := &pulumi.ResourceHookArgs{OldInputs: was, NewInputs: is}
	require.NoError(t, hooks["app-stable: two steps"](change))
	require.ErrorContains(t, hooks["app-canary: two steps"](change), "subset canary")
	require.NoError(t, hooks["app-canary: two steps"](&pulumi.ResourceHookArgs{OldInputs: was, NewInputs: was}))
}

// With an Istio that is not the stack's, a gateway has to be there before
// anything is made.
func TestGatewayRuns(t *testing.T) {
	t.Parallel()
	missing := errors.New("no running pod")
	app := &fakeLive{inForce: release.Split{Stable: 100}, gatewayErr: missing}
	hooks := recordedHooks{}
	cfg := configuration(t, map[string]string{
		"clusterProvider": "existing", "kubeconfig": "~/.kube/config", "istioInstall": "false", "istioGateway": "ingress",
	})
	_, err := pulumitest.Run(hooked(cfg, app.connect, hooks, nil))
	require.NoError(t, err)
	require.Len(t, hooks, 4)

	app.calls = nil
	require.ErrorIs(t, hooks["app: ingress gateway"](nil), missing)
	require.Equal(t, []string{"gateway ingress"}, app.calls)
}
