package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// preload gives containerd the images of one folder of the node image: an image layout, archives, or both.
// What it has been given since the container was created is skipped; failures are tried again until ctx ends.
// Layers are unpacked only when a pod needs them, which on most nodes most never do. With a registry there is nothing to give:
// pods pull theirs.
func (n *node) preload(ctx context.Context, folder string) error {
	if n.registry != "" {
		return nil
	}
	sources, err := filepath.Glob(filepath.Join(n.images, folder, "*.tar"))
	if err != nil {
		return err
	}
	if index := filepath.Join(n.images, folder, "index.json"); exists(index) {
		sources = append(sources, index)
	}
	began, given := time.Now(), 0
	for _, source := range sources {
		// The mark is on containerd's own volume: it is gone when the images are.
		mark := filepath.Join(n.containerd, ".preloaded", folder, filepath.Base(source))
		for !exists(mark) {
			err := n.give(ctx, source)
			if err == nil {
				err = writeFile(mark, nil, 0o644)
			}
			if err != nil {
				n.log.Error("images are not preloaded", "from", source, "error", err)
				if !sleep(ctx, 3*time.Second) {
					return errors.Join(err, ctx.Err())
				}
				continue
			}
			given++
		}
	}
	if given > 0 {
		n.log.Info("preloaded images", "folder", folder, "in", time.Since(began).Round(time.Millisecond))
	}
	return nil
}

func (n *node) give(ctx context.Context, source string) error {
	if filepath.Ext(source) == ".tar" {
		_, err := run(ctx, nil, n.ctrCommand("images", "import", "--no-unpack", source)...)
		return err
	}
	l, err := readImageLayout(filepath.Dir(source))
	if err != nil {
		return err
	}
	return n.giveLayout(ctx, l)
}

// giveLayout makes a layout's images known to containerd without a copy of their layers: containerd's store gets
// links to them, so that all nodes share the one copy in the node image. An archive of the rest, some
// kilobytes, is imported first; the images then keep containerd from collecting the layers as garbage.
func (n *node) giveLayout(ctx context.Context, l imageLayout) error {
	archive, err := l.archiveWithoutLayers()
	if err != nil {
		return err
	}
	if _, err := run(ctx, archive, n.ctrCommand("images", "import", "--no-unpack", "-")...); err != nil {
		return err
	}
	store := filepath.Join(n.containerd, "io.containerd.content.v1.content", "blobs", "sha256")
	if err := os.MkdirAll(store, 0o755); err != nil {
		return err
	}
	for _, layer := range l.layers {
		if err := n.giveLayer(ctx, l.blob(layer), layer, store); err != nil {
			return fmt.Errorf("layer %s: %w", layer.Digest, err)
		}
	}
	return nil
}

func (n *node) giveLayer(ctx context.Context, file string, layer descriptor, store string) error {
	if err := os.Symlink(file, filepath.Join(store, layer.hex())); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	blob, err := os.Open(file)
	if err != nil {
		return err
	}
	defer blob.Close()
	// containerd finds that its store has the content, and reads none of it.
	_, err = run(ctx, blob, n.ctrCommand("content", "ingest", "--expected-digest", layer.Digest,
		"--expected-size", fmt.Sprint(layer.Size), "preload-"+layer.hex())...)
	return err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
