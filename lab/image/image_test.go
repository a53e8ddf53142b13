package image

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	src := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(src, "etc"), 0o755))
	for file, mode := range map[string]os.FileMode{"etc/keep": 0o600, "etc/drop": 0o644, "tool": 0o700} {
		require.NoError(t, os.WriteFile(filepath.Join(src, file), []byte(file), mode))
	}
	require.NoError(t, os.Symlink("keep", filepath.Join(src, "etc", "link")))
	spec := Spec{
		Ref: "example.com/tool:1",
		Layers: []Layer{
			{{Source: src, Exclude: []string{"etc/drop", "tool"}}},
			{
				{Path: "bin/tool", Source: filepath.Join(src, "tool"), Mode: 0o755},
				{Path: "etc/text", Content: "hello"},
				{Path: "tmp", Dir: true, Mode: 0o1777},
				{Path: "bin/alias", Link: "tool"},
			},
		},
		Config: v1.Config{Entrypoint: []string{"/bin/tool"}},
	}

	file := filepath.Join(t.TempDir(), "a.tar")
	id, err := Write(file, spec)
	require.NoError(t, err)
	again, err := Write(filepath.Join(t.TempDir(), "b.tar"), spec)
	require.NoError(t, err)
	require.Equal(t, id, again, "the same content is the same image")

	tag, err := name.NewTag(spec.Ref)
	require.NoError(t, err)
	img, err := tarball.ImageFromPath(file, &tag)
	require.NoError(t, err)
	digest, err := img.ConfigName()
	require.NoError(t, err)
	require.Equal(t, id, digest.String())
	cfg, err := img.ConfigFile()
	require.NoError(t, err)
	require.Equal(t, spec.Config.Entrypoint, cfg.Config.Entrypoint)

	got := map[string]string{}
	for r := tar.NewReader(mutate.Extract(img)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		b, err := io.ReadAll(r)
		require.NoError(t, err)
		got[h.Name] = h.FileInfo().Mode().String() + " " + h.Linkname + string(b)
	}
	require.Equal(t, map[string]string{
		"etc":       "drwxr-xr-x ",
		"etc/keep":  "-rw------- etc/keep",
		"etc/link":  "Lrwxrwxrwx keep",
		"bin/tool":  "-rwxr-xr-x tool",
		"etc/text":  "-rw-r--r-- hello",
		"tmp":       "dtrwxrwxrwx ",
		"bin/alias": "Lrwxrwxrwx tool",
	}, got)
}

func TestClosureOfStaticProgram(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	libs, err := Closure("/", self)
	require.NoError(t, err)
	require.Empty(t, libs, "the tests are built without cgo, so this program needs no library")
}

func TestClosureNamesAMissingLibrary(t *testing.T) {
	t.Parallel()
	// sh of any Debian needs libc, and an empty root has none.
	sh, err := filepath.EvalSymlinks("/bin/sh")
	require.NoError(t, err)
	_, err = Closure(t.TempDir(), sh)
	require.ErrorContains(t, err, "libraries of "+sh)
}

func TestAppendToLayout(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "images")
	for _, ref := range []string{"docker.io/library/a:1", "docker.io/library/b:1"} {
		require.NoError(t, AppendToLayout(dir, Spec{Ref: ref, Layers: []Layer{{{Path: "name", Content: ref}}}}))
	}
	index, err := layout.ImageIndexFromPath(dir)
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	var names []string
	for _, m := range manifest.Manifests {
		names = append(names, m.Annotations["io.containerd.image.name"])
	}
	require.Equal(t, []string{"docker.io/library/a:1", "docker.io/library/b:1"}, names)
}
