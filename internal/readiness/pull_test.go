package readiness

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFailedPull(t *testing.T) {
	t.Parallel()
	const (
		image  = "localhost:5000/app@sha256:0123"
		failed = `failed to pull and unpack image "` + image + `": `
		lookup = failed + `failed to resolve reference "` + image + `": `
	)
	for name, tc := range map[string]struct {
		said, message, advice string
		passing               bool
	}{
		"no such tag": {
			`Back-off pulling image "` + image + `": ErrImagePull: rpc error: code = NotFound desc = ` + lookup + image + `: not found`,
			"image " + image + ": not found", "check the image's name and tag", false,
		},
		"no password": {
			lookup + `pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials`,
			"image " + image + ": pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials",
			"the registry wants credentials", false,
		},
		"another platform": {
			`rpc error: code = NotFound desc = ` + failed + `no match for platform in manifest: not found`,
			"image " + image + ": no match for platform in manifest: not found", "the image is not built for the platform", false,
		},
		"too many pulls": {
			lookup + `pulling from host localhost:5000 failed with status code [manifests sha256:0123]: 429 Too Many Requests`,
			"image " + image + ": pulling from host localhost:5000 failed with status code [manifests sha256:0123]: 429 Too Many Requests",
			"the registry limits pulls", true,
		},
		"an error of the registry": {
			lookup + `pulling from host localhost:5000 failed with status code [manifests sha256:0123]: 500 Internal Server Error`,
			"image " + image + ": pulling from host localhost:5000 failed with status code [manifests sha256:0123]: 500 Internal Server Error",
			"the registry, or the way to it, is in trouble", true,
		},
		"broken off": {
			failed + `failed to copy: httpReadSeeker: failed open: failed to do request: Get "http://localhost:5000/v2/app/blobs/sha256:4567": EOF`,
			"image " + image + `: failed to copy: httpReadSeeker: failed open: failed to do request: Get "http://localhost:5000/v2/app/blobs/sha256:4567": EOF`,
			"the registry, or the way to it, is in trouble", true,
		},
		"nobody answers": {
			lookup + `failed to do request: Head "http://localhost:1/v2/app/manifests/1": dial tcp 127.0.0.1:1: connect: connection refused`,
			"image " + image + `: failed to do request: Head "http://localhost:1/v2/app/manifests/1": dial tcp 127.0.0.1:1: connect: connection refused`,
			"the nodes cannot reach the registry", true,
		},
		"an unknown name": {
			lookup + `failed to do request: Head "https://registry.invalid/v2/app/manifests/1": dial tcp: lookup registry.invalid on 172.22.0.1:53: no such host`,
			"image " + image + `: failed to do request: Head "https://registry.invalid/v2/app/manifests/1": dial tcp: lookup registry.invalid on 172.22.0.1:53: no such host`,
			"the nodes cannot resolve the registry's name", true,
		},
		"of another runtime": {`manifest unknown`, `manifest unknown`, "check the image's name and tag", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.message, shortPull(image, tc.said))
			cause := pullCauseOf(tc.said)
			require.Contains(t, cause.advice, tc.advice)
			require.Equal(t, tc.passing, cause.passing)
		})
	}
}
