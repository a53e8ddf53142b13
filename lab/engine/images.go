package engine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Load loads the image archives of a folder that the engine does not hold yet. Beside each NAME.tar there is
// NAME.tar.id, the image's id.
func (e *Engine) Load(ctx context.Context, dir string, progress func(string)) error {
	archives, err := filepath.Glob(filepath.Join(dir, "*.tar"))
	if err != nil {
		return err
	}
	held, err := e.docker(ctx, "image", "ls", "--all", "--quiet", "--no-trunc").Output()
	if err != nil {
		return fmt.Errorf("docker image ls on %s: %w", e.Host(), err)
	}
	for _, archive := range archives {
		id, err := os.ReadFile(archive + ".id")
		if err != nil {
			return err
		}
		if bytes.Contains(held, bytes.TrimSpace(id)) {
			continue
		}
		progress("loading " + strings.TrimSuffix(filepath.Base(archive), ".tar"))
		if out, err := e.docker(ctx, "load", "--quiet", "--input", archive).CombinedOutput(); err != nil {
			return fmt.Errorf("docker load %s: %w: %s", archive, err, out)
		}
	}
	return nil
}
