//go:build e2e && faults

package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"canary/internal/charts"
	"canary/internal/pins"
	"canary/test/e2e/harness"
)

// nextCharts is a chart repository with the next version of Istio's charts.
type nextCharts struct {
	url, before string // before is the stack's own, "" for the program's default
	version     string
	dir         string
}

// path is the file of a chart.
func (n *nextCharts) path(name string) string {
	return filepath.Join(n.dir, name+"-"+n.version+".tgz")
}

// nextIstio serves the charts that a stack uses under the number of the next patch, until the test is over.
func nextIstio(t *testing.T, p *harness.Project) *nextCharts {
	t.Helper()
	n := &nextCharts{version: pins.IstioVersion + "0", dir: t.TempDir()}
	repository := pins.IstioChartRepository
	if o := p.Attempt(t, "config", "get", "istioChartRepository"); o.Code == 0 {
		n.before = strings.TrimSpace(o.All)
		repository = n.before
	}
	store := charts.Store{Dir: t.TempDir()}
	names := []string{"base", "istiod", "gateway"}
	require.NoError(t, store.Fetch(t.Context(), repository, pins.IstioVersion, names...))
	entries := map[string]any{}
	for _, name := range names {
		packed, err := os.ReadFile(store.Path(repository, name, pins.IstioVersion))
		require.NoError(t, err)
		packed = renumbered(t, packed, name, n.version)
		require.NoError(t, os.WriteFile(n.path(name), packed, 0o644))
		sum := sha256.Sum256(packed)
		entries[name] = []any{map[string]any{
			"name": name, "version": n.version, "digest": hex.EncodeToString(sum[:]), "urls": []string{filepath.Base(n.path(name))},
		}}
	}
	index, err := yaml.Marshal(map[string]any{"apiVersion": "v1", "entries": entries})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(n.dir, "index.yaml"), index, 0o644))
	server := httptest.NewServer(http.FileServer(http.Dir(n.dir)))
	t.Cleanup(server.Close)
	n.url = server.URL
	return n
}

// renumbered is a packed chart with another version.
func renumbered(t *testing.T, packed []byte, name, version string) []byte {
	t.Helper()
	unzip, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	in, out := tar.NewReader(unzip), tar.NewWriter(zip)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		content, err := io.ReadAll(in)
		require.NoError(t, err)
		if header.Name == name+"/Chart.yaml" {
			content = bytes.ReplaceAll(content, []byte(pins.IstioVersion), []byte(version))
			require.Contains(t, string(content), version)
			header.Size = int64(len(content))
		}
		require.NoError(t, out.WriteHeader(header))
		_, err = out.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, out.Close())
	require.NoError(t, zip.Close())
	return b.Bytes()
}

const secondRevision = "second"

// secondIstiod is an istiod beside the stack's, installed by somebody's own program.
type secondIstiod struct {
	run func(args ...string) string
}

// install installs it from the next charts, with the values of the stack's own.
func (s *secondIstiod) install(t *testing.T, r *harness.LoadRun, next *nextCharts) string {
	t.Helper()
	var state struct {
		Deployment struct {
			Resources []struct {
				URN    string
				Inputs struct{ Values map[string]any }
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(r.Pulumi(t, "stack", "export")), &state))
	var values map[string]any
	for _, resource := range state.Deployment.Resources {
		if strings.HasSuffix(resource.URN, "helm.sh/v3:Release::istiod") {
			values = resource.Inputs.Values
		}
	}
	require.NotEmpty(t, values)
	values["revision"] = secondRevision
	text, err := json.Marshal(values)
	require.NoError(t, err)

	dir := t.TempDir()
	name := harness.NewName()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), fmt.Appendf(nil, "name: istiod\nruntime: {name: go, options: {binary: %s}}\n", harness.CompileProgram(t, "istiod")), 0o644))
	s.run = func(args ...string) string {
		t.Helper()
		return harness.Run(t, dir, r.Env, "pulumi", append(args, "--stack", name)...)
	}
	s.run("stack", "init", "--non-interactive")
	s.run("config", "set", "--secret", "kubeconfig", r.Kubeconfig(t))
	s.run("config", "set", "release", "istiod-"+secondRevision)
	s.run("config", "set", "chart", next.path("istiod"))
	s.run("config", "set", "values", string(text))
	start := time.Now()
	s.run(harness.UpArgs...)
	return fmt.Sprintf("installed after %.1f s", time.Since(start).Seconds())
}

// remove uninstalls it.
func (s *secondIstiod) remove(t *testing.T) string {
	t.Helper()
	start := time.Now()
	s.run(harness.DestroyArgs...)
	return fmt.Sprintf("removed after %.1f s", time.Since(start).Seconds())
}
