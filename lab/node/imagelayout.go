package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// imageLayout is a folder of images in the layout of the Open Container Initiative.
type imageLayout struct {
	folder string
	small  []string     // the layout's files without the layers, as paths in it
	layers []descriptor // each once
}

// descriptor refers to a file of the layout.
type descriptor struct {
	Digest string `json:"digest"` // sha256:…
	Size   int64  `json:"size"`   // bytes
}

func (d descriptor) hex() string { return strings.TrimPrefix(d.Digest, "sha256:") }

func (d descriptor) path() string { return path.Join("blobs", "sha256", d.hex()) }

func (l imageLayout) blob(d descriptor) string { return filepath.Join(l.folder, d.path()) }

// readImageLayout reads what a layout consists of. The images are those that its index names directly.
func readImageLayout(folder string) (imageLayout, error) {
	l := imageLayout{folder: folder, small: []string{"oci-layout", "index.json"}}
	var index struct{ Manifests []descriptor }
	if err := l.read("index.json", &index); err != nil {
		return l, err
	}
	seen := map[string]bool{}
	add := func(d descriptor) bool {
		before := seen[d.Digest]
		seen[d.Digest] = true
		return !before
	}
	for _, m := range index.Manifests {
		var manifest struct {
			Config descriptor
			Layers []descriptor
		}
		if err := l.read(m.path(), &manifest); err != nil {
			return l, err
		}
		for _, d := range []descriptor{m, manifest.Config} {
			if add(d) {
				l.small = append(l.small, d.path())
			}
		}
		for _, d := range manifest.Layers {
			if add(d) {
				l.layers = append(l.layers, d)
			}
		}
	}
	return l, nil
}

func (l imageLayout) read(file string, out any) error {
	text, err := os.ReadFile(filepath.Join(l.folder, file))
	if err == nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		return fmt.Errorf("image layout %s: %s: %w", l.folder, file, err)
	}
	return nil
}

// archiveWithoutLayers is a tar archive of the layout, as containerd imports it.
func (l imageLayout) archiveWithoutLayers() (*bytes.Buffer, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, file := range l.small {
		content, err := os.ReadFile(filepath.Join(l.folder, file))
		if err != nil {
			return nil, err
		}
		if err := w.WriteHeader(&tar.Header{Name: file, Mode: 0o644, Size: int64(len(content))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(content); err != nil {
			return nil, err
		}
	}
	return &archive, w.Close()
}
