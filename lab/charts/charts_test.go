package charts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func TestPackAndIndex(t *testing.T) {
	t.Parallel()
	src, out := t.TempDir(), t.TempDir()
	for file, text := range map[string]string{
		"Chart.yaml":        "apiVersion: v2\nname: gateway\nversion: 1.0.0\n",
		"values.yaml":       "tag: latest\n",
		"templates/a.yaml":  "kind: A\n",
		"files/profile.yml": "x: 1\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(src, filepath.Dir(file)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(src, file), []byte(text), 0o644))
	}

	chart, err := Pack(src, "1.31.4", func(s string) string { return strings.Replace(s, "latest", "1.31.4", 1) }, out)
	require.NoError(t, err)
	require.NoError(t, WriteIndex(out, []Chart{chart}))

	packed, err := os.ReadFile(filepath.Join(out, "gateway-1.31.4.tgz"))
	require.NoError(t, err)
	sum := sha256.Sum256(packed)
	require.Equal(t, hex.EncodeToString(sum[:]), chart.Digest)
	files := unpack(t, packed)
	require.Equal(t, "tag: 1.31.4\n", files["gateway/values.yaml"])
	require.Equal(t, "kind: A\n", files["gateway/templates/a.yaml"])
	require.Contains(t, files["gateway/Chart.yaml"], "version: 1.31.4")

	b, err := os.ReadFile(filepath.Join(out, "index.yaml"))
	require.NoError(t, err)
	var index struct {
		Entries map[string][]Chart `json:"entries"`
	}
	require.NoError(t, yaml.Unmarshal(b, &index))
	require.Equal(t, []Chart{chart}, index.Entries["gateway"])
}

func unpack(t *testing.T, packed []byte) map[string]string {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	files := map[string]string{}
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		b, err := io.ReadAll(r)
		require.NoError(t, err)
		files[h.Name] = string(b)
	}
}
