// Package charts packs Helm charts and serves them as a chart repository.
package charts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// Chart is one packed chart, as a repository's index describes it.
type Chart struct {
	APIVersion string   `json:"apiVersion"`
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	AppVersion string   `json:"appVersion"`
	Digest     string   `json:"digest"`
	URLs       []string `json:"urls"`
}

// Pack writes the chart in dir as NAME-VERSION.tgz into out, under the given version.
// values is applied to the text of values.yaml.
func Pack(dir, version string, values func(string) string, out string) (Chart, error) {
	meta, err := os.ReadFile(filepath.Join(dir, "Chart.yaml"))
	if err != nil {
		return Chart{}, err
	}
	fields := map[string]any{}
	if err := yaml.Unmarshal(meta, &fields); err != nil {
		return Chart{}, fmt.Errorf("%s: %w", filepath.Join(dir, "Chart.yaml"), err)
	}
	fields["version"], fields["appVersion"] = version, version
	if meta, err = yaml.Marshal(fields); err != nil {
		return Chart{}, err
	}
	name := fmt.Sprint(fields["name"])
	packed, err := archive(dir, name, map[string]func([]byte) []byte{
		"Chart.yaml":  func([]byte) []byte { return meta },
		"values.yaml": func(b []byte) []byte { return []byte(values(string(b))) },
	})
	if err != nil {
		return Chart{}, fmt.Errorf("pack chart %s: %w", name, err)
	}
	file := name + "-" + version + ".tgz"
	if err := os.WriteFile(filepath.Join(out, file), packed, 0o644); err != nil {
		return Chart{}, err
	}
	digest := sha256.Sum256(packed)
	return Chart{
		APIVersion: fmt.Sprint(fields["apiVersion"]), Name: name, Version: version, AppVersion: version,
		Digest: hex.EncodeToString(digest[:]), URLs: []string{file},
	}, nil
}

func archive(dir, name string, edit map[string]func([]byte) []byte) ([]byte, error) {
	var buf bytes.Buffer
	zip := gzip.NewWriter(&buf)
	t := tar.NewWriter(zip)
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, p))
		if err != nil {
			return err
		}
		if f := edit[p]; f != nil {
			b = f(b)
		}
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path.Join(name, p), Mode: 0o644, Size: int64(len(b))}); err != nil {
			return err
		}
		_, err = t.Write(b)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// WriteIndex writes the repository's index.yaml into dir.
func WriteIndex(dir string, charts []Chart) error {
	entries := map[string][]Chart{}
	for _, c := range charts {
		entries[c.Name] = append(entries[c.Name], c)
	}
	b, err := yaml.Marshal(map[string]any{"apiVersion": "v1", "entries": entries})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "index.yaml"), b, 0o644)
}
