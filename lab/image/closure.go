package image

import (
	"debug/elf"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

var epoch = time.Unix(0, 0).UTC()

// libraryDirs is where Debian keeps shared libraries.
var libraryDirs = []string{"usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib", "lib64"}

// Closure returns entries for the shared libraries and the program interpreter that the given
// programs need, each taken from the root file system. A program that is statically linked needs none.
func Closure(root string, programs ...string) (Layer, error) {
	c := closure{root: root, seen: map[string]bool{}}
	for _, p := range programs {
		if err := c.visit(p); err != nil {
			return nil, fmt.Errorf("libraries of %s: %w", p, err)
		}
	}
	slices.SortFunc(c.layer, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	return c.layer, nil
}

type closure struct {
	root  string
	seen  map[string]bool
	layer Layer
}

func (c *closure) visit(file string) error {
	f, err := elf.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	needed, err := f.ImportedLibraries()
	if err != nil {
		return err
	}
	if interp := f.Section(".interp"); interp != nil {
		b, err := interp.Data()
		if err != nil {
			return err
		}
		if err := c.add(strings.Trim(string(b), "\x00/")); err != nil {
			return err
		}
	}
	for _, lib := range needed {
		found, err := c.find(lib)
		if err != nil {
			return err
		}
		if err := c.add(found); err != nil {
			return err
		}
	}
	return nil
}

func (c *closure) find(lib string) (string, error) {
	for _, dir := range libraryDirs {
		p := filepath.Join(dir, lib)
		if _, err := filepath.EvalSymlinks(filepath.Join(c.root, p)); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s is in none of %s below %s", lib, strings.Join(libraryDirs, ", "), c.root)
}

// add takes the library under the name it is asked for by, links followed.
func (c *closure) add(p string) error {
	if c.seen[p] {
		return nil
	}
	c.seen[p] = true
	target, err := filepath.EvalSymlinks(filepath.Join(c.root, p))
	if err != nil {
		return err
	}
	c.layer = append(c.layer, Entry{Path: p, Source: target, Mode: 0o755})
	return c.visit(target)
}
