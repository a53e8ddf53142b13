// Package build makes every part of the lab from package registries: the Go module proxy, PyPI and
// Debian's packages. A finished part is kept in the cache under a name that holds a hash of
// all that made it, so nothing is built twice and an interrupted build goes on where it stopped.
package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Part is one step of the build.
type Part struct {
	// Name is also the name of the part's folder in the cache and of its log.
	Name string
	// Sources are files and folders whose content makes the part what it is.
	Sources []string
	// Pins are versions, flags and names that do the same.
	Pins []string
	// Needs names the parts whose results this one reads.
	Needs []string
	// Make writes the result into r.Out.
	Make func(ctx context.Context, r *Recipe) error
}

// Recipe is what a part's Make works with.
type Recipe struct {
	// Out is the folder for the result.
	Out string
	// Log takes the output of every command.
	Log io.Writer
	// Of gives the finished folder of a part named in Needs.
	Of func(part string) string
}

// Run runs a command and, when it fails, says which.
func (r *Recipe) Run(ctx context.Context, dir string, env []string, name string, args ...string) error {
	fmt.Fprintf(r.Log, "$ %s %s\n", name, strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, r.Log, r.Log
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

// key is a hash of all that makes the part what it is, the parts that it needs included.
func (p *Part) key(goVersion string, keys map[string]string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, p.Name, goVersion, p.Pins)
	for _, need := range p.Needs {
		fmt.Fprintln(h, need, keys[need])
	}
	for _, source := range p.Sources {
		if err := hashTree(h, source); err != nil {
			return "", fmt.Errorf("part %s: %w", p.Name, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

func hashTree(w io.Writer, root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || ignored(path) {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s %x\n", rel, sha256.Sum256(content))
		return nil
	})
}

// ignored is true for files that a build puts between the sources.
func ignored(path string) bool { return filepath.Base(path) == "schema.json" }
