// Package charts keeps Helm charts on this machine: each is fetched once from
// its chart repository, checked against the digest in the repository's index,
// and read from its file from then on. A change of the weight then needs no
// chart repository.
//
// The format of an index is that of https://helm.sh/docs/topics/chart_repository.
package charts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

const (
	fetchTimeout = time.Minute
	// maxBytes bounds what is read of an answer; Istio's index has 1 MB, its
	// largest chart 0.1 MB.
	maxBytes = 64 << 20
)

// Store is a folder of charts.
type Store struct{ Dir string }

// Path is where a chart of a repository is kept. It starts with "./" unless the
// folder is absolute: the Kubernetes provider takes it for a file only then.
func (s Store) Path(repository, name, version string) string {
	sum := sha256.Sum256([]byte(repository))
	path := filepath.Join(s.Dir, hex.EncodeToString(sum[:4]), name+"-"+version+".tgz")
	if !filepath.IsAbs(path) {
		path = "./" + path
	}
	return path
}

// Fetch makes sure that charts of a repository (an http or https URL) are kept:
// those that are, unchanged since they were fetched, are not asked for again.
func (s Store) Fetch(ctx context.Context, repository, version string, names ...string) error {
	missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return intact(s.Path(repository, name, version))
	})
	if len(missing) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	if err := s.fetch(ctx, repository, version, missing); err != nil {
		return fmt.Errorf("chart %s %s is not kept on this machine yet and cannot be fetched from %s: %w; "+
			"check istioVersion, istioChartRepository and the network, then type `pulumi up` again",
			strings.Join(missing, ", "), version, repository, err)
	}
	return nil
}

func (s Store) fetch(ctx context.Context, repository, version string, names []string) error {
	base, err := url.Parse(strings.TrimSuffix(repository, "/") + "/")
	if err != nil {
		return err
	}
	text, err := get(ctx, base.JoinPath("index.yaml"))
	if err != nil {
		return err
	}
	var index struct {
		Entries map[string][]entry `json:"entries"`
	}
	if err := yaml.Unmarshal(text, &index); err != nil {
		return fmt.Errorf("its index.yaml: %w", err)
	}
	for _, name := range names {
		i := slices.IndexFunc(index.Entries[name], func(e entry) bool { return e.Version == version && len(e.URLs) > 0 })
		if i < 0 {
			return fmt.Errorf("its index.yaml has no chart %s in version %s", name, version)
		}
		if err := index.Entries[name][i].keep(ctx, base, s.Path(repository, name, version)); err != nil {
			return err
		}
	}
	return nil
}

// entry is one version of a chart in an index.
type entry struct {
	Version string   `json:"version"`
	Digest  string   `json:"digest"`
	URLs    []string `json:"urls"`
}

// keep fetches the chart into a file, with its digest beside it.
func (e entry) keep(ctx context.Context, base *url.URL, path string) error {
	from, err := base.Parse(e.URLs[0])
	if err != nil {
		return err
	}
	chart, err := get(ctx, from)
	if err != nil {
		return err
	}
	digest := digestOf(chart)
	if want := strings.TrimPrefix(e.Digest, "sha256:"); want != "" && want != digest {
		return fmt.Errorf("%s has the SHA-256 %s; its index.yaml says %s", from, digest, want)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	// The digest comes last: without it the chart does not count.
	return errors.Join(replace(path, chart), replace(path+digestSuffix, []byte(digest)))
}

const digestSuffix = ".sha256"

// intact reports whether a chart is kept as it was fetched.
func intact(path string) bool {
	chart, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	digest, err := os.ReadFile(path + digestSuffix)
	return err == nil && string(digest) == digestOf(chart)
}

func digestOf(chart []byte) string {
	sum := sha256.Sum256(chart)
	return hex.EncodeToString(sum[:])
}

// replace writes a file in one step, so that whoever reads it meanwhile sees the
// old or the new one.
func replace(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

func get(ctx context.Context, from *url.URL) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", from, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBytes))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return body, nil
}
