//go:build e2e

package harness

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The images of the tests, which only this machine's Docker has. Each is one static program.
var (
	ImageGood     = TestImage("testserver:good")   // serves on port 9000, ready at /ready
	ImageNext     = TestImage("testserver:next")   // serves where the example app does
	ImageCrash    = TestImage("testserver:crash")  // ends before it listens
	ImageFickle   = TestImage("testserver:fickle") // ends soon after it became ready
	ImageDeaf     = TestImage("testserver:deaf")   // serves on a port that nobody asks for
	ImageSlow     = TestImage("testserver:slow")   // serves after 75 s
	ImageStreams  = TestImage("streamserver:latest")
	imageCutoff   = TestImage("cutoff:latest")
	ImageHungry   = TestImage("hungry:latest")
	ImageOther    = TestImage("testserver:other") // its program is for another kind of processor, whatever the image says
	ImageRegistry = TestImage("testregistry:latest")
)

// ImagePodinfo is the demo service of the field, as it is published.
const ImagePodinfo = "ghcr.io/stefanprodan/podinfo:6.9.2"

const registryPort = 5000

// ImageByDigest is the test server as the registry serves it; ImagesByDigest are others, which it serves as the first part
// of their names says (see testregistry), and one for another platform under "foreign".
var (
	ImageByDigest  string
	ImagesByDigest = map[string]string{}
)

// TestImage is the reference of an image that only this run has.
func TestImage(name string) string { return fmt.Sprintf("canary-e2e-%d/%s", os.Getpid(), name) }

// buildImages builds all of them and gives their tags.
func buildImages(t *testing.T) []string {
	t.Helper()
	server := BuildProgram(t, "testserver")
	ImportImage(t, ImageGood, Archive(t, server), "/testserver", "-listen", ":9000")
	ImportImage(t, ImageNext, Archive(t, server), "/testserver", "-listen", ":8080")
	ImportImage(t, ImageCrash, Archive(t, server), "/testserver", "-listen", "nowhere")
	ImportImage(t, ImageFickle, Archive(t, server), "/testserver", "-listen", ":8080", "-crash-after", "2s")
	ImportImage(t, ImageDeaf, Archive(t, server), "/testserver", "-listen", ":9999")
	ImportImage(t, ImageSlow, Archive(t, server), "/testserver", "-listen", ":8080", "-listen-after", "75s")
	ImportImage(t, ImageOther, Archive(t, forOtherProcessor(server)), "/testserver")
	ImportImage(t, ImageHungry, Archive(t, BuildProgram(t, "hungry")), "/hungry")
	ImportImage(t, ImageStreams, Archive(t, BuildProgram(t, "streamserver")), "/streamserver")
	ImportImage(t, imageCutoff, Archive(t, BuildProgram(t, "cutoff")), "/cutoff")
	ImportImage(t, ImageRegistry, Archive(t, append(BuildProgram(t, "testregistry"), pullable(t, server)...)), "/testregistry", "-listen", fmt.Sprintf("127.0.0.1:%d", registryPort))
	return []string{ImageGood, ImageNext, ImageCrash, ImageFickle, ImageDeaf, ImageSlow, ImageStreams, imageCutoff, ImageOther, ImageHungry, ImageRegistry}
}

// File is a file of an image, by its path in it.
type File struct {
	name    string
	mode    int64
	content []byte
}

// BuildProgram builds one of the programs beside the tests as a file at the root of an image.
func BuildProgram(t *testing.T, name string) []File {
	t.Helper()
	b, err := os.ReadFile(CompileProgram(t, name))
	require.NoError(t, err)
	return []File{{name: name, mode: 0o755, content: b}}
}

// CompileProgram builds one of them as a file of this machine, until the test is over.
func CompileProgram(t *testing.T, name string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), name)
	env := append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH)
	Run(t, ".", env, "go", "build", "-ldflags=-s -w", "-o", file, "./programs/"+name)
	return file
}

// forOtherProcessor is a program as it is when built for a processor that no machine of these tests has.
func forOtherProcessor(program []File) []File {
	content := slices.Clone(program[0].content)
	binary.LittleEndian.PutUint16(content[18:], uint16(elf.EM_S390)) // e_machine of the ELF header
	return []File{{name: program[0].name, mode: program[0].mode, content: content}}
}

// Archive is the files as a tar stream, the same for the same files.
func Archive(t *testing.T, files []File) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.content)), Format: tar.FormatUSTAR}))
		_, err := w.Write(f.content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// ImportImage makes an image of this machine's Docker out of a file system; it is removed when the run ends.
func ImportImage(t *testing.T, tag string, fileSystem []byte, command ...string) {
	t.Helper()
	entrypoint, err := json.Marshal(command)
	require.NoError(t, err)
	cmd := exec.Command("docker", "import", "--change", "ENTRYPOINT "+string(entrypoint), "--change", "EXPOSE 9000", "-", tag)
	cmd.Stdin = bytes.NewReader(fileSystem)
	out, err := cmd.CombinedOutput()
	require.NoErrorf(t, err, "docker import %s: %s", tag, out)
	leaveBehind(func() error {
		if out, err := exec.Command("docker", "image", "rm", "--force", tag).CombinedOutput(); err != nil {
			return fmt.Errorf("remove the image %s: %w: %s", tag, err, out)
		}
		return nil
	})
}

// pullable gives the files of the registry: the test server as OCI images with digests, which docker import does not give.
// Each has a layer of its own, since a node pulls no layer that it has.
func pullable(t *testing.T, server []File) (files []File) {
	t.Helper()
	add := func(name string) (digest string, size int) {
		digest, content := ociImage(t, Archive(t, append(slices.Clip(server), File{name: "name", mode: 0o644, content: []byte(name)})))
		for _, one := range slices.Sorted(maps.Keys(content)) {
			files = append(files, registryFile(one, content[one]))
		}
		return digest, len(content[digest])
	}
	reference := func(name, digest string) string { return fmt.Sprintf("localhost:%d/%s@%s", registryPort, name, digest) }
	digest, size := add("testserver")
	ImageByDigest = reference("testserver", digest)
	for _, kind := range []string{"limited", "failing", "private", "breaking", "slow"} {
		name := kind + "/testserver"
		digest, _ := add(name)
		ImagesByDigest[kind] = reference(name, digest)
	}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": ociMedia + ociIndex, "manifests": []any{map[string]any{
		"mediaType": ociMedia + ociManifest, "digest": digest, "size": size, "platform": map[string]any{"os": "linux", "architecture": "s390x"},
	}}})
	require.NoError(t, err)
	indexDigest := fmt.Sprintf("sha256:%x", sha256.Sum256(index))
	ImagesByDigest["foreign"] = reference("foreign/testserver", indexDigest)
	file := registryFile(indexDigest, index)
	file.name += ".index"
	return append(files, file)
}

func registryFile(digest string, content []byte) File {
	return File{name: "registry/" + strings.Replace(digest, ":", "-", 1), mode: 0o644, content: content}
}

// ociImage is a layer with the test server as an OCI image: the digest of its manifest, and what belongs to it by digest.
func ociImage(t *testing.T, layer []byte) (digest string, content map[string][]byte) {
	t.Helper()
	content = map[string][]byte{}
	add := func(kind string, b []byte) map[string]any {
		digest := fmt.Sprintf("sha256:%x", sha256.Sum256(b))
		content[digest] = b
		return map[string]any{"mediaType": ociMedia + kind, "digest": digest, "size": len(b)}
	}
	document := func(v any) []byte {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return b
	}
	layerOf := add("layer.v1.tar", layer)
	config := document(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/testserver", "-listen", ":9000"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []any{layerOf["digest"]}},
	})
	manifest := add(ociManifest, document(map[string]any{
		"schemaVersion": 2, "mediaType": ociMedia + ociManifest, "config": add("config.v1+json", config), "layers": []any{layerOf},
	}))
	return manifest["digest"].(string), content
}

const (
	ociMedia    = "application/vnd.oci.image."
	ociManifest = "manifest.v1+json"
	ociIndex    = "index.v1+json"
)

// DigestOf is the digest in a reference.
func DigestOf(reference string) string {
	_, digest, _ := strings.Cut(reference, "@")
	return digest
}
