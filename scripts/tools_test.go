package scripts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// installer is a project folder with pins of its own, a machine with only what tools.sh may use, and a file server.
type installer struct {
	t       *testing.T
	project string
	bin     string
	server  *httptest.Server
	// served is what the server has, by path; it is changed only while no script runs.
	served map[string]http.HandlerFunc

	mu    sync.Mutex
	asked []string
}

func newInstaller(t *testing.T) *installer {
	t.Helper()
	root := t.TempDir()
	i := &installer{t: t, project: filepath.Join(root, `my "project" $(touch pwned)`), bin: filepath.Join(root, "bin"), served: map[string]http.HandlerFunc{}}
	i.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		i.asked = append(i.asked, r.URL.Path)
		i.mu.Unlock()
		if serve := i.served[r.URL.Path]; serve != nil {
			serve(w, r)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(i.server.Close)

	for _, folder := range []string{"scripts/lib", "internal/pins", "temp"} {
		require.NoError(t, os.MkdirAll(filepath.Join(i.project, folder), 0o755))
	}
	for _, script := range []string{"tools.sh", "lib/common.sh"} {
		text, err := os.ReadFile(script) // here, for Go's cache of test results
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(i.project, "scripts", script), text, 0o755))
	}
	require.NoError(t, os.MkdirAll(i.bin, 0o755))
	for _, tool := range []string{
		"bash", "cat", "chmod", "curl", "cut", "dirname", "gzip", "install", "mkdir", "mktemp", "rm", "sha256sum", "shasum", "tar",
	} {
		if path, err := exec.LookPath(tool); err == nil {
			require.NoError(t, os.Symlink(path, filepath.Join(i.bin, tool)))
		}
	}
	i.tool("uname", `case $1 in -s) echo Linux ;; -m) echo x86_64 ;; esac`)
	i.tool("docker", "true")
	t.Cleanup(func() {
		require.NoFileExists(t, filepath.Join(i.project, "pwned"))
		left, err := os.ReadDir(filepath.Join(i.project, "temp"))
		require.NoError(t, err)
		require.Empty(t, left, "nothing is left in the folder for temporary files")
	})
	return i
}

func (i *installer) tool(name, script string) {
	i.t.Helper()
	require.NoError(i.t, os.WriteFile(filepath.Join(i.bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
}

// pin serves both tools in a version and writes the pins that go with them.
func (i *installer) pin(version string) {
	i.t.Helper()
	files := map[string][]byte{"K3D": []byte("k3d " + version), "PULUMI": archive(i.t, version)}
	var pins strings.Builder
	for tool, content := range files {
		fmt.Fprintf(&pins, "%s_VERSION=%s\n", tool, version)
		for _, platform := range []string{"LINUX_AMD64", "LINUX_ARM64", "DARWIN_AMD64", "DARWIN_ARM64"} {
			path := fmt.Sprintf("/%s/%s/%s", version, tool, platform)
			i.served[path] = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }
			fmt.Fprintf(&pins, "%s_URL_%s=%s%s\n%s_SHA256_%s=%x\n", tool, platform, i.server.URL, path, tool, platform, sha256.Sum256(content))
		}
	}
	require.NoError(i.t, os.WriteFile(filepath.Join(i.project, "internal", "pins", "pins.env"), []byte(pins.String()), 0o600))
}

// archive is what Pulumi releases: two programs in the folder pulumi/.
func archive(t *testing.T, version string) []byte {
	t.Helper()
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	files := tar.NewWriter(zip)
	for _, name := range []string{"pulumi", "pulumi-language-go"} {
		content := name + " " + version
		require.NoError(t, files.WriteHeader(&tar.Header{Name: "pulumi/" + name, Mode: 0o755, Size: int64(len(content))}))
		_, err := files.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, files.Close())
	require.NoError(t, zip.Close())
	return packed.Bytes()
}

// run runs the script and gives the paths it asked the server for.
func (i *installer) run() (output string, asked []string, err error) {
	i.t.Helper()
	cmd := exec.Command(filepath.Join(i.bin, "bash"), "scripts/tools.sh")
	cmd.Dir = i.project
	cmd.Env = []string{"PATH=" + i.bin, "TMPDIR=" + filepath.Join(i.project, "temp")}
	out, err := cmd.CombinedOutput()
	i.mu.Lock()
	defer i.mu.Unlock()
	asked, i.asked = i.asked, nil
	return string(out), asked, err
}

// installed gives the content of every installed program, by name.
func (i *installer) installed() map[string]string {
	i.t.Helper()
	found := map[string]string{}
	for _, name := range []string{"k3d", "pulumi", "pulumi-language-go"} {
		file := filepath.Join(i.project, ".canary", "bin", name)
		content, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue
		}
		require.NoError(i.t, err)
		require.Equal(i.t, os.FileMode(0o755), modeOf(i.t, file))
		found[name] = string(content)
	}
	return found
}

func ofVersion(version string) map[string]string {
	return map[string]string{"k3d": "k3d " + version, "pulumi": "pulumi " + version, "pulumi-language-go": "pulumi-language-go " + version}
}

func TestToolsAreInstalledOnce(t *testing.T) {
	t.Parallel()
	i := newInstaller(t)
	i.pin("1.0.0")
	out, asked, err := i.run()
	require.NoError(t, err, out)
	require.Equal(t, []string{"/1.0.0/K3D/LINUX_AMD64", "/1.0.0/PULUMI/LINUX_AMD64"}, asked)
	require.Equal(t, ofVersion("1.0.0"), i.installed())

	out, asked, err = i.run()
	require.NoError(t, err, out)
	require.Empty(t, asked, "what is installed is not fetched again")

	i.pin("1.1.0")
	out, asked, err = i.run()
	require.NoError(t, err, out)
	require.Len(t, asked, 2)
	require.Equal(t, ofVersion("1.1.0"), i.installed())
}

func TestToolsOfEveryPlatform(t *testing.T) {
	t.Parallel()
	for machine, want := range map[[2]string]string{
		{"Linux", "x86_64"}: "LINUX_AMD64", {"Linux", "aarch64"}: "LINUX_ARM64",
		{"Darwin", "x86_64"}: "DARWIN_AMD64", {"Darwin", "arm64"}: "DARWIN_ARM64",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			i := newInstaller(t)
			i.pin("1.0.0")
			i.tool("uname", fmt.Sprintf("case $1 in -s) echo %s ;; -m) echo %s ;; esac", machine[0], machine[1]))
			out, asked, err := i.run()
			require.NoError(t, err, out)
			require.Equal(t, []string{"/1.0.0/K3D/" + want, "/1.0.0/PULUMI/" + want}, asked)
		})
	}
}

func TestToolsThatAreRefused(t *testing.T) {
	t.Parallel()
	const pulumi = "/2.0.0/PULUMI/LINUX_AMD64"
	serve := func(content []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }
	}
	whole := archive(t, "2.0.0")
	for name, tc := range map[string]struct {
		change func(*installer)
		want   []string
		// before is true when nothing may be fetched, not even what could be.
		before bool
	}{
		"cut short by the connection": {
			change: func(i *installer) {
				i.served[pulumi] = func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Length", fmt.Sprint(len(whole)))
					_, _ = w.Write(whole[:len(whole)/2])
				}
			},
			want: []string{"error: cannot download ", pulumi, "check the network, then run the same command again"},
		},
		"cut short before": {
			change: func(i *installer) { i.served[pulumi] = serve(whole[:len(whole)/2]) },
			want: []string{
				"error: the checksum of ", pulumi + fmt.Sprintf(" is %x, want %x", sha256.Sum256(whole[:len(whole)/2]), sha256.Sum256(whole)),
				"it was not installed",
			},
		},
		"another file": {
			change: func(i *installer) { i.served[pulumi] = serve(archive(i.t, "6.6.6")) },
			want:   []string{"error: the checksum of ", pulumi, "is not what was pinned"},
		},
		"empty": {
			change: func(i *installer) { i.served[pulumi] = serve(nil) },
			want:   []string{"error: the checksum of ", pulumi},
		},
		"not found": {
			change: func(i *installer) { delete(i.served, pulumi) },
			want:   []string{"error: cannot download ", pulumi, "404"},
		},
		"no server": {
			change: func(i *installer) { i.server.Close() },
			want:   []string{"error: cannot download ", "check the network"},
		},
		"unknown system": {
			change: func(i *installer) { i.tool("uname", "echo FreeBSD") },
			want:   []string{"error: no pinned tools for FreeBSD: Linux and macOS are supported"},
			before: true,
		},
		"unknown processor": {
			change: func(i *installer) { i.tool("uname", `case $1 in -s) echo Linux ;; -m) echo riscv64 ;; esac`) },
			want:   []string{"error: no pinned tools for riscv64: x86_64 and arm64 are supported"},
			before: true,
		},
		"no docker": {
			change: func(i *installer) { require.NoError(i.t, os.Remove(filepath.Join(i.bin, "docker"))) },
			want:   []string{"error: Docker is missing: install it (https://docs.docker.com/engine/install) and start it"},
			before: true,
		},
		"no engine": {
			change: func(i *installer) { i.tool("docker", "exit 1") },
			want:   []string{"error: no Docker engine answers: start Docker"},
			before: true,
		},
		"no curl": {
			change: func(i *installer) { require.NoError(i.t, os.Remove(filepath.Join(i.bin, "curl"))) },
			want:   []string{"error: curl is missing: install it"},
			before: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newInstaller(t)
			i.pin("1.0.0")
			out, _, err := i.run()
			require.NoError(t, err, out)

			i.pin("2.0.0")
			tc.change(i)
			out, asked, err := i.run()
			require.Error(t, err)
			for _, part := range tc.want {
				require.Contains(t, out, part)
			}
			if tc.before {
				require.Empty(t, asked)
			}
			got := i.installed()
			require.Equal(t, "pulumi 1.0.0", got["pulumi"], "what was there stays")

			if tc.before || name == "no server" {
				return
			}
			i.pin("2.0.0")
			out, asked, err = i.run()
			require.NoError(t, err, out)
			require.Equal(t, []string{pulumi}, asked, "the next run goes on where this one ended")
			require.Equal(t, ofVersion("2.0.0"), i.installed())
		})
	}
}
