package main

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a node does to its own files and processes.

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func TestForgetAddresses(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	for _, file := range []string{"10.42.0.2", "10.42.0.3", "last_reserved_ip.0", "lock"} {
		write(t, filepath.Join(state, "k3s-lab", file), "x")
	}
	require.NoError(t, forgetAddresses(state))
	entries, err := os.ReadDir(filepath.Join(state, "k3s-lab"))
	require.NoError(t, err)
	require.Len(t, entries, 2)
	require.Equal(t, "last_reserved_ip.0", entries[0].Name())
	require.NoError(t, forgetAddresses(filepath.Join(state, "absent")))
}

func TestAddLine(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "hosts")
	require.ErrorIs(t, addLine(file, "10.0.0.1 registry.example.com"), os.ErrNotExist)
	write(t, file, "127.0.0.1 localhost\n")
	for range 2 {
		require.NoError(t, addLine(file, "10.0.0.1 registry.example.com"))
	}
	require.Equal(t, "127.0.0.1 localhost\n10.0.0.1 registry.example.com\n", readFile(t, file))
}

func TestParseTasks(t *testing.T) {
	t.Parallel()
	require.Equal(t, []int{812, 934}, parseTasks([]byte("TASK    PID    STATUS    \nabc     812    RUNNING\ndef     0      STOPPED\nghi     934    RUNNING\n")))
	require.Empty(t, parseTasks([]byte("TASK    PID    STATUS    \n")))
}

func TestManifestsAreAppliedWhenTheyChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var applied []string
	var failure error
	f := folder{path: dir, apply: func(file string) error {
		applied = append(applied, filepath.Base(file))
		return failure
	}}
	sync := func() []string {
		applied = nil
		_ = f.sync()
		return applied
	}
	write(t, filepath.Join(dir, "b.yaml"), "one")
	write(t, filepath.Join(dir, "a.json"), "one")
	write(t, filepath.Join(dir, "notes.txt"), "one")
	require.Equal(t, []string{"b.yaml", "a.json"}, sync())
	require.Empty(t, sync())
	info, err := os.Stat(filepath.Join(dir, "b.yaml"))
	require.NoError(t, err)
	write(t, filepath.Join(dir, "b.yaml"), "two")
	require.NoError(t, os.Chtimes(filepath.Join(dir, "b.yaml"), info.ModTime(), info.ModTime()))
	require.Equal(t, []string{"b.yaml"}, sync(), "content counts, not the time")
	write(t, filepath.Join(dir, "c.yaml"), "one")
	failure = errors.New("refused")
	require.Equal(t, []string{"c.yaml"}, sync())
	require.ErrorContains(t, f.sync(), "refused")
	failure = nil
	require.Equal(t, []string{"c.yaml"}, sync())
	require.Empty(t, sync())
}

func TestStagedManifestsAreNotWrittenAgain(t *testing.T) {
	t.Parallel()
	n := testNode(t, nil)
	path := filepath.Join(n.manifests(), "coredns.yaml")
	write(t, path, "with k3d's names")
	require.NoError(t, n.stageManifests())
	require.Equal(t, "with k3d's names", readFile(t, path))

	for disabled, other := range map[string]string{"coredns": "metrics-server", "metrics-server": "coredns"} {
		n = testNode(t, func(o *options) { o.disabled = []string{disabled} })
		require.NoError(t, n.stageManifests())
		require.NoFileExists(t, filepath.Join(n.manifests(), disabled+".yaml"))
		require.FileExists(t, filepath.Join(n.manifests(), other+".yaml"))
	}
}

// fakeCtr notes its arguments, one call a line, and keeps what it imports from its input.
const fakeCtr = `#!/bin/sh
shift 4
echo "$@" >>"$0.calls"
case "$*" in *" -") cat >"$0.input" ;; esac
if [ -e "$0.fail" ]; then rm "$0.fail"; echo broken >&2; exit 1; fi
`

func preloadNode(t *testing.T) *node {
	t.Helper()
	n := testNode(t, nil)
	require.NoError(t, os.WriteFile(n.ctr, []byte(fakeCtr), 0o700))
	layout := filepath.Join(n.images, "all")
	write(t, filepath.Join(layout, "oci-layout"), "{}")
	write(t, filepath.Join(layout, "index.json"), `{"manifests":[{"digest":"sha256:m1","size":1},{"digest":"sha256:m2","size":1}]}`)
	write(t, filepath.Join(layout, "blobs/sha256/m1"), `{"config":{"digest":"sha256:c1"},"layers":[{"digest":"sha256:l1","size":5},{"digest":"sha256:l2","size":6}]}`)
	write(t, filepath.Join(layout, "blobs/sha256/m2"), `{"config":{"digest":"sha256:c2"},"layers":[{"digest":"sha256:l1","size":5}]}`)
	for _, blob := range []string{"c1", "c2", "l1", "l2"} {
		write(t, filepath.Join(layout, "blobs/sha256", blob), "blob "+blob)
	}
	return n
}

func TestPreloadLinksLayers(t *testing.T) {
	t.Parallel()
	n := preloadNode(t)
	require.NoError(t, n.preload(t.Context(), "all"))
	require.Equal(t, `images import --no-unpack -
content ingest --expected-digest sha256:l1 --expected-size 5 preload-l1
content ingest --expected-digest sha256:l2 --expected-size 6 preload-l2
`, readFile(t, n.ctr+".calls"))
	store := filepath.Join(n.containerd, "io.containerd.content.v1.content/blobs/sha256")
	for _, layer := range []string{"l1", "l2"} {
		target, err := os.Readlink(filepath.Join(store, layer))
		require.NoError(t, err)
		require.Equal(t, filepath.Join(n.images, "all/blobs/sha256", layer), target)
	}
	var names []string
	for archive := tar.NewReader(strings.NewReader(readFile(t, n.ctr+".input"))); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		names = append(names, header.Name)
	}
	require.Equal(t, []string{"oci-layout", "index.json", "blobs/sha256/m1", "blobs/sha256/c1", "blobs/sha256/m2", "blobs/sha256/c2"}, names)

	require.NoError(t, n.preload(t.Context(), "all"))
	require.Equal(t, 3, strings.Count(readFile(t, n.ctr+".calls"), "\n"), "once is enough")
	require.NoError(t, n.preload(t.Context(), "agent"), "a folder that is not there")
}

func TestPreloadImportsArchives(t *testing.T) {
	t.Parallel()
	n := preloadNode(t)
	archive := filepath.Join(n.images, "agent", "a.tar")
	write(t, archive, "x")
	require.NoError(t, n.preload(t.Context(), "agent"))
	require.Equal(t, "images import --no-unpack "+archive+"\n", readFile(t, n.ctr+".calls"))
}

func TestPreloadTriesAgain(t *testing.T) {
	t.Parallel()
	n := preloadNode(t)
	var log lockedBuffer
	n.log = newLogger(&log)
	write(t, n.ctr+".fail", "")
	require.NoError(t, n.preload(t.Context(), "all"))
	require.Contains(t, log.String(), "broken")
	require.Equal(t, 4, strings.Count(readFile(t, n.ctr+".calls"), "\n"))
}

func TestPreloadNamesABrokenLayout(t *testing.T) {
	t.Parallel()
	n := preloadNode(t)
	require.NoError(t, os.Remove(filepath.Join(n.images, "all/blobs/sha256/m2")))
	_, err := readImageLayout(filepath.Join(n.images, "all"))
	require.ErrorContains(t, err, "blobs/sha256/m2")
}

func TestFatalLogLine(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	newLogger(&log).Log(t.Context(), levelFatal, "cannot go on")
	newLogger(&log).Info("k3s is up and running")
	require.Contains(t, log.String(), `level=fatal msg="cannot go on"`)
	require.Contains(t, log.String(), `level=info msg="k3s is up and running"`)
}
