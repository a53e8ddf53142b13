package engine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"canary/lab/image"
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

// Tag gives a name to an image that the engine holds.
func (e *Engine) Tag(ctx context.Context, id, name string) error {
	if out, err := e.docker(ctx, "tag", id, name).CombinedOutput(); err != nil {
		return fmt.Errorf("docker tag %s %s: %w: %s", id, name, err, out)
	}
	return nil
}

// Extend makes an image called name: that with the id, an environment variable, and a certificate that it trusts.
func (e *Engine) Extend(ctx context.Context, id, name, variable, value, certificate string) error {
	var files bytes.Buffer
	err := image.Layer{
		{Path: "Dockerfile", Content: fmt.Sprintf("FROM %s\nENV %s=%q\nCOPY trusted.pem /etc/ssl/certs/\n", id, variable, value)},
		{Path: "trusted.pem", Source: certificate},
	}.Write(&files)
	if err != nil {
		return err
	}
	cmd := e.docker(ctx, "build", "--quiet", "--tag", name, "-")
	cmd.Env = append(cmd.Env, "DOCKER_BUILDKIT=0")
	cmd.Stdin = &files
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("docker build %s: %w: %s", name, err, out)
	}
	return nil
}
