package charts

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// repository serves an index and a chart, and counts the requests.
func repository(t *testing.T, index, chart string) (url string, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		switch r.URL.Path {
		case "/charts/index.yaml":
			fmt.Fprint(w, index)
		case "/charts/base.tgz":
			fmt.Fprint(w, chart)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/charts", requests
}

const indexOfBase = `
entries:
  base:
  - {version: 1.2.4, digest: 0, urls: [none.tgz]}
  - {version: 1.2.3, digest: "sha256:%s", urls: [base.tgz]}
`

func TestFetchedOnce(t *testing.T) {
	t.Parallel()
	url, requests := repository(t, fmt.Sprintf(indexOfBase, digestOf([]byte("a chart"))), "a chart")
	store := Store{Dir: t.TempDir()}
	path := store.Path(url, "base", "1.2.3")
	fetch := func(want int32) {
		t.Helper()
		require.NoError(t, store.Fetch(t.Context(), url, "1.2.3", "base"))
		chart, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, "a chart", string(chart))
		require.Equal(t, want, requests.Load())
	}
	fetch(2)
	fetch(2)
	require.NoError(t, os.WriteFile(path, []byte("a ch"), 0o600))
	fetch(4)
	require.NoError(t, os.Remove(path+digestSuffix))
	fetch(6)

	entries, err := os.ReadDir(strings.TrimSuffix(path, "/base-1.2.3.tgz"))
	require.NoError(t, err)
	require.Len(t, entries, 2, "nothing is left beside the chart and its digest")
}

func TestPath(t *testing.T) {
	t.Parallel()
	store := Store{Dir: ".canary/charts"}
	path := store.Path("https://charts.example.com", "base", "1.2.3")
	require.Regexp(t, `^\./\.canary/charts/[0-9a-f]{8}/base-1\.2\.3\.tgz$`, path)
	require.NotEqual(t, path, store.Path("https://mirror.example.com", "base", "1.2.3"))
	require.Regexp(t, `^/var/charts/[0-9a-f]{8}/base-1\.2\.3\.tgz$`, Store{Dir: "/var/charts"}.Path("", "base", "1.2.3"))
}

func TestFetchFails(t *testing.T) {
	t.Parallel()
	good := fmt.Sprintf(indexOfBase, digestOf([]byte("a chart")))
	for name, tc := range map[string]struct{ index, chart, version, err string }{
		"another chart":   {good, "another chart", "1.2.3", "has the SHA-256 " + digestOf([]byte("another chart")) + "; its index.yaml says " + digestOf([]byte("a chart"))},
		"no such version": {good, "a chart", "9.9.9", "its index.yaml has no chart base in version 9.9.9"},
		"no chart":        {good, "a chart", "1.2.4", "/none.tgz answers 404 Not Found"},
		"no index":        {"entries: [", "a chart", "1.2.3", "its index.yaml: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := repository(t, tc.index, tc.chart)
			store := Store{Dir: t.TempDir()}
			err := store.Fetch(t.Context(), url, tc.version, "base")
			require.ErrorContains(t, err, "chart base "+tc.version+" is not kept on this machine yet and cannot be fetched from "+url+": ")
			require.ErrorContains(t, err, tc.err)
			require.NoFileExists(t, store.Path(url, "base", tc.version))
		})
	}
}
