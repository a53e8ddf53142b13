package canary

import (
	"canary/internal/config"
	"canary/internal/pins"
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
	// replicas is the wanted number of pods.
	replicas int
}

// subsetsOf are both subsets of the app. Without an image of the user's, a subset
// runs the example app; the canary without one runs what stable runs.
func subsetsOf(c *config.Config) (stable, canary subset) {
	canaryImage := c.CanaryImage
	if canaryImage == "" {
		canaryImage = c.StableImage
	}
	stable = newSubset(c.Name, release.Stable, c.Name, c.StableImage, c.StableReplicas)
	canary = newSubset(c.Name, release.Canary, c.Name+"-canary", canaryImage, c.CanaryReplicas)
	return stable, canary
}

func newSubset(app, name, object, image string, replicas int) subset {
	s := subset{name: name, app: app, object: object, image: image, replicas: replicas}
	if image == "" {
		s.image, s.example = pins.NginxImage, true
	}
	return s
}

// labels select the subset's pods.
func (s subset) labels() map[string]string {
	return map[string]string{release.LabelName: s.app, release.LabelSubset: s.name}
}
