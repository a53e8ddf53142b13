package image

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// nameAnnotation is where containerd looks for an image's full name in a layout's index.
const nameAnnotation = "io.containerd.image.name"

// AppendToLayout makes the image and adds it to the OCI image layout in dir, from which a node takes its
// layers without a copy. spec.Ref is the full name, with the registry's host.
func AppendToLayout(dir string, spec Spec) error {
	img, err := spec.image()
	if err != nil {
		return fmt.Errorf("image %s: %w", spec.Ref, err)
	}
	p, err := layout.FromPath(dir)
	if err != nil {
		if p, err = layout.Write(dir, empty.Index); err != nil {
			return err
		}
	}
	if err := p.AppendImage(img, layout.WithAnnotations(map[string]string{nameAnnotation: spec.Ref})); err != nil {
		return fmt.Errorf("image %s: add to %s: %w", spec.Ref, dir, err)
	}
	return nil
}

// ReadLayout gives the images that AppendToLayout added to dir, by their full names.
func ReadLayout(dir string) (map[string]v1.Image, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("image layout %s: %w", dir, err)
	}
	images := map[string]v1.Image{}
	for _, m := range manifest.Manifests {
		if images[m.Annotations[nameAnnotation]], err = index.Image(m.Digest); err != nil {
			return nil, fmt.Errorf("image layout %s: %w", dir, err)
		}
	}
	return images, nil
}
