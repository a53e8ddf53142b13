package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// withoutSysResource is the bounding set of a machine that lacks CAP_SYS_RESOURCE alone.
const withoutSysResource = bounding(0x1fffeffffff)

func TestParseCall(t *testing.T) {
	t.Parallel()
	inConfig, inProcess := []string{"process", "capabilities"}, []string{"capabilities"}
	for name, c := range map[string]struct {
		args []string
		want call
	}{
		"create as docker calls it": {
			args: []string{"--root", "/run/moby", "--log", "/b/log.json", "--log-format", "json", "create", "--bundle", "/b", "--pid-file", "/b/init.pid", "id"},
			want: call{file: "/b/config.json", path: inConfig},
		},
		"joined option":                  {args: []string{"run", "--bundle=/b", "id"}, want: call{file: "/b/config.json", path: inConfig}},
		"short option":                   {args: []string{"run", "-b", "/b", "id"}, want: call{file: "/b/config.json", path: inConfig}},
		"bundle in the working folder":   {args: []string{"create", "id"}, want: call{file: "config.json", path: inConfig}},
		"exec":                           {args: []string{"--root=/r", "exec", "--process", "/tmp/p", "--detach", "id"}, want: call{file: "/tmp/p", path: inProcess}},
		"exec of a command line":         {args: []string{"exec", "id", "create"}},
		"a container that is called run": {args: []string{"delete", "--force", "run"}},
		"a root that is called create":   {args: []string{"--root", "create", "state", "id"}},
		"no command":                     {args: []string{"--version"}},
		"option without its value":       {args: []string{"create", "--bundle"}, want: call{file: "config.json", path: inConfig}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, parseCall(c.args))
		})
	}
}

func TestParseBounding(t *testing.T) {
	t.Parallel()
	set, err := parseBounding([]byte("Name:\tx\nCapEff:\t0000000000000000\nCapBnd:\t000001fffeffffff\n"))
	require.NoError(t, err)
	require.Equal(t, withoutSysResource, set)
	require.False(t, set.has("CAP_SYS_RESOURCE"))
	require.True(t, set.has("CAP_SYS_ADMIN"))
	require.True(t, set.has("CAP_CHECKPOINT_RESTORE"))
	require.True(t, set.has("CAP_OF_A_LATER_KERNEL"))

	_, err = parseBounding([]byte("Name:\tx\n"))
	require.ErrorContains(t, err, "no line CapBnd")
	_, err = parseBounding([]byte("CapBnd:\tmany\n"))
	require.ErrorContains(t, err, "line CapBnd")
}

func TestDropCapabilities(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		document string
		path     []string
		want     string // "" = unchanged
		err      string
	}{
		"config.json": {
			document: `{"ociVersion":"1.0.2","process":{"capabilities":{"bounding":["CAP_CHOWN","CAP_SYS_RESOURCE"],"ambient":["CAP_CHOWN"]},"user":{"uid":0}},"limit":18446744073709551615}`,
			path:     []string{"process", "capabilities"},
			want:     `{"ociVersion":"1.0.2","process":{"capabilities":{"bounding":["CAP_CHOWN"],"ambient":["CAP_CHOWN"]},"user":{"uid":0}},"limit":18446744073709551615}`,
		},
		"process": {
			document: `{"args":["sh"],"capabilities":{"effective":["CAP_SYS_RESOURCE"]}}`,
			path:     []string{"capabilities"},
			want:     `{"args":["sh"],"capabilities":{"effective":[]}}`,
		},
		"nothing to drop":         {document: `{"capabilities":{"effective":["CAP_CHOWN"]}}`, path: []string{"capabilities"}},
		"no capabilities":         {document: `{"args":["sh"]}`, path: []string{"capabilities"}},
		"null capabilities":       {document: `{"process":{"capabilities":null}}`, path: []string{"process", "capabilities"}},
		"no process":              {document: `{}`, path: []string{"process", "capabilities"}},
		"not JSON":                {document: `capabilities`, path: []string{"capabilities"}, err: "invalid character"},
		"capabilities are a list": {document: `{"capabilities":["CAP_CHOWN"]}`, path: []string{"capabilities"}, err: "capabilities: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after, changed, err := dropCapabilities([]byte(c.document), c.path, withoutSysResource)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want != "", changed)
			if changed {
				require.JSONEq(t, c.want, string(after))
				require.Equal(t, strings.Contains(c.document, "18446744073709551615"), strings.Contains(string(after), "18446744073709551615"))
			} else {
				require.Equal(t, c.document, string(after))
			}
		})
	}
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	status, config := filepath.Join(dir, "status"), filepath.Join(dir, "config.json")
	require.NoError(t, os.WriteFile(status, []byte("CapBnd:\t000001fffeffffff\n"), 0o600))
	require.NoError(t, os.WriteFile(config, []byte(`{"process":{"capabilities":{"bounding":["CAP_SYS_RESOURCE","CAP_KILL"]}}}`), 0o640))

	require.NoError(t, prepare([]string{"create", "--bundle", dir, "id"}, status))
	after, err := os.ReadFile(config)
	require.NoError(t, err)
	require.JSONEq(t, `{"process":{"capabilities":{"bounding":["CAP_KILL"]}}}`, string(after))
	info, err := os.Stat(config)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm())

	require.NoError(t, prepare([]string{"state", "id"}, filepath.Join(dir, "absent")))
	require.ErrorContains(t, prepare([]string{"exec", "--process", filepath.Join(dir, "absent"), "id"}, status), "absent")
}

func TestFindRunc(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	own, plain, wrapped := filepath.Join(dir, "own"), filepath.Join(dir, "plain"), filepath.Join(dir, "wrapped")
	for folder, mode := range map[string]os.FileMode{own: 0o755, plain: 0o644, wrapped: 0o755} {
		require.NoError(t, os.Mkdir(folder, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "runc"), []byte(folder), mode))
	}
	self := filepath.Join(own, "runc")
	found, err := findRunc(self, []string{filepath.Join(dir, "absent"), own, plain, wrapped})
	require.NoError(t, err)
	require.Equal(t, filepath.Join(wrapped, "runc"), found)
	_, err = findRunc(self, []string{own, plain})
	require.ErrorContains(t, err, "no runc found on PATH")
}
