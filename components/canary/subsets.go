package canary

import (
	"cmp"

	"canary/internal/config"
	"canary/internal/pins"
	"canary/internal/podpatch"
	"canary/internal/release"
)

// subset is one of the two versions of the app.
type subset struct {
	// name is stable or canary.
	name string
	// app is the name of the app, which both subsets share.
	app string
	// object is the name of its Deployment, and of its ConfigMap if it has one.
	object string
	// image is the container image that it runs.
	image string
	// example says that it runs the example app instead of the user's image.
	example bool
	// pods is the wanted number of pods.
	pods release.Pods
	// patches are merged over its pods.
	patches []*podpatch.Patch
	// env are the environment variables of its container.
	env config.Environment
}

// subsetsOf are both subsets of the app. Without an image of the user's, a subset
// runs the example app; the canary without one runs what stable runs.
func subsetsOf(c *config.Config) (stable, canary subset) {
	app := release.App{Name: c.Name}
	stable = subset{
		name: release.Stable, app: c.Name, object: app.Deployment(release.Stable),
		image: c.StableImage, pods: release.Pods{Min: c.StableReplicas, Max: c.StableMaxReplicas}, env: c.Env, patches: []*podpatch.Patch{c.Pod},
	}
	canary = subset{
		name: release.Canary, app: c.Name, object: app.Deployment(release.Canary),
		image: cmp.Or(c.CanaryImage, c.StableImage), pods: release.Pods{Min: c.CanaryReplicas, Max: c.CanaryMaxReplicas}, env: c.CanaryEnv, patches: []*podpatch.Patch{c.Pod, c.CanaryPod},
	}
	for _, s := range []*subset{&stable, &canary} {
		if s.image == "" {
			s.image, s.example = pins.NginxImage, true
		}
	}
	return stable, canary
}

// labels select the subset's pods.
func (s subset) labels() map[string]string {
	return map[string]string{release.LabelName: s.app, release.LabelSubset: s.name}
}

// secretName is the name of the Secret with the secretEnv.
func (s subset) secretName() string { return s.object + "-env" }

// secretEnv are the environment variables that belong in a Secret.
func (s subset) secretEnv() map[string]string {
	values := map[string]string{}
	for name, variable := range s.env {
		if variable.Secret {
			values[name] = variable.Value
		}
	}
	return values
}
