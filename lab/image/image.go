// Package image makes container images from files, without a Docker engine, a registry or a
// Dockerfile. An image is a list of layers of plain files, written as an archive that
// `docker load` reads, or as a layout in a folder.
package image

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Spec says what an image holds and how it runs.
type Spec struct {
	// Ref is the name and tag that whoever runs the image asks for.
	Ref string
	// Layers are stacked in their order.
	Layers []Layer
	// Config is the image's run-time configuration.
	Config v1.Config
}

// Write makes the image and writes it to file, in the format of `docker save`.
// The returned digest is what an engine that has loaded the image calls its id.
func Write(file string, spec Spec) (id string, err error) {
	ref, err := name.NewTag(spec.Ref)
	if err != nil {
		return "", fmt.Errorf("image %q: %w", spec.Ref, err)
	}
	img, err := spec.image()
	if err != nil {
		return "", fmt.Errorf("image %s: %w", spec.Ref, err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	if err := tarball.WriteToFile(file, ref, img); err != nil {
		return "", fmt.Errorf("image %s: write %s: %w", spec.Ref, file, err)
	}
	digest, err := img.ConfigName()
	if err != nil {
		return "", err
	}
	return digest.String(), nil
}

// image stacks the layers. They are stored uncompressed: what never crosses a network is only slowed by it.
func (s Spec) image() (v1.Image, error) {
	img := empty.Image
	for _, l := range s.Layers {
		layer, err := tarball.LayerFromOpener(l.open,
			tarball.WithCompression(compression.None), tarball.WithMediaType(types.DockerUncompressedLayer))
		if err != nil {
			return nil, err
		}
		if img, err = mutate.AppendLayers(img, layer); err != nil {
			return nil, err
		}
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	cfg = cfg.DeepCopy()
	cfg.Config = s.Config
	cfg.OS, cfg.Architecture = "linux", "amd64"
	cfg.Created = v1.Time{Time: epoch}
	return mutate.ConfigFile(img, cfg)
}

func (l Layer) open() (io.ReadCloser, error) {
	r, w := io.Pipe()
	go func() { w.CloseWithError(l.Write(w)) }()
	return r, nil
}
