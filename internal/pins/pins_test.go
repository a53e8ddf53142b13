package pins

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// Form of the values, by the first pattern that matches the key.
var forms = []struct{ key, value *regexp.Regexp }{
	{regexp.MustCompile(`_VERSION$`), regexp.MustCompile(`^\d+\.\d+\.\d+$`)},
	{regexp.MustCompile(`_IMAGE$`), regexp.MustCompile(`^[a-z0-9./-]+:[A-Za-z0-9._-]+$`)},
	{regexp.MustCompile(`_HUB$`), regexp.MustCompile(`^[a-z0-9.-]+(/[a-z0-9-]+)+$`)},
	{regexp.MustCompile(`_CHART_REPOSITORY$`), regexp.MustCompile(`^https://[a-z0-9.-]+(/[a-z0-9-]+)+$`)},
	{regexp.MustCompile(`_URL_(LINUX|DARWIN)_(AMD64|ARM64)$`), regexp.MustCompile(`^https://[A-Za-z0-9./-]+$`)},
	{regexp.MustCompile(`_SHA256_(LINUX|DARWIN)_(AMD64|ARM64)$`), regexp.MustCompile(`^[0-9a-f]{64}$`)},
}

func TestForm(t *testing.T) {
	t.Parallel()
	for key, value := range values {
		known := false
		for _, form := range forms {
			if form.key.MatchString(key) {
				known = true
				require.Regexp(t, form.value, value, key)
				break
			}
		}
		require.True(t, known, "%s is of no known kind", key)
	}
}

// Every tool has an address and a checksum for every platform; the address names the tool's version and
// that platform, and no checksum is there twice.
func TestToolsAgree(t *testing.T) {
	t.Parallel()
	platforms := map[string]string{
		"LINUX_AMD64": "linux-(amd64|x64)", "LINUX_ARM64": "linux-arm64",
		"DARWIN_AMD64": "darwin-(amd64|x64)", "DARWIN_ARM64": "darwin-arm64",
	}
	checksums := map[string]string{}
	for _, tool := range []string{"PULUMI", "K3D"} {
		version := regexp.QuoteMeta("/v" + get(tool+"_VERSION") + "/")
		for platform, name := range platforms {
			require.Regexp(t, version+`[^/]*-`+name+`(\.tar\.gz)?$`, get(tool+"_URL_"+platform))
			checksum := get(tool + "_SHA256_" + platform)
			require.Empty(t, checksums[checksum], "%s %s has the checksum of another file", tool, platform)
			checksums[checksum] = tool + platform
		}
	}
}

func TestShellReadsTheSame(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("env", "-i", "/bin/sh", "-c", "set -eu; . ./pins.env; set").Output()
	require.NoError(t, err)
	sourced := map[string]string{}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if _, ours := values[key]; ours {
			sourced[key] = strings.Trim(value, "'")
		}
	}
	require.Empty(t, cmp.Diff(values, sourced))
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"A=1\nB":    `pins.env line 2: found "B", allowed is KEY=value`,
		"A=":        `pins.env line 1: found "A=", allowed is KEY=value`,
		"A=1\nA=2":  "pins.env line 2: A is set twice",
		"# A=1\n=1": `pins.env line 2: found "=1", allowed is KEY=value`,
	} {
		require.PanicsWithValue(t, want, func() { parse(text) }, text)
	}
}
