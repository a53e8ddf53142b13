package scripts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// newDown is a checkout with what down.sh needs.
func newDown(t *testing.T) *desk {
	t.Helper()
	d := newCheckout(t)
	d.copy("down.sh")
	d.write("scripts/cluster-remove-image-cache.sh", "#!/bin/sh\n")
	d.write(".canary/passphrase", "secret\n")
	require.NoError(t, os.Mkdir(filepath.Join(d.project, ".canary", "bin"), 0o755))
	require.NoError(t, os.Rename(filepath.Join(d.bin, "pulumi"), filepath.Join(d.project, ".canary", "bin", "pulumi")))
	return d
}

// down runs down.sh, and gives what it said.
func (d *desk) down(env ...string) string {
	d.t.Helper()
	cmd := d.command("bash", "scripts/down.sh")
	cmd.Env = append(append(cmd.Env, "STACK=dev", "STATE=", "PULUMI_CONFIG_PASSPHRASE=", "PULUMI_CONFIG_PASSPHRASE_FILE="), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(d.t, err, string(out))
	return string(out)
}

func TestStackFileWithoutItsPassphrase(t *testing.T) {
	t.Parallel()
	const (
		salt    = "encryptionsalt: v1:abc=:v1:def:ghi\n"
		config  = "config:\n  canary:canaryWeight: \"50\"\n"
		secrets = "  canary:tlsKey:\n    secure: v1:xyz\n"
		warning = "the secrets in Pulumi.dev.yaml cannot be read any more, since their passphrase goes: set them again"
	)
	for name, tc := range map[string]struct {
		env          []string
		before, want string
		warns        bool
	}{
		"goes with the project's folder": {[]string{"STATE=remove"}, salt + config, config, false},
		"with secrets":                   {[]string{"STATE=remove"}, salt + config + secrets, config + secrets, true},
		"the folder stays":               {nil, salt + config + secrets, salt + config + secrets, false},
		"the user's own":                 {[]string{"STATE=remove", "PULUMI_CONFIG_PASSPHRASE=mine"}, salt + config + secrets, salt + config + secrets, false},
		"in a file of the user's own":    {[]string{"STATE=remove", "PULUMI_CONFIG_PASSPHRASE_FILE=/mine"}, salt + config, salt + config, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDown(t)
			d.write("Pulumi.dev.yaml", tc.before)
			said := d.down(tc.env...)
			require.Equal(t, tc.warns, strings.Contains(said, warning), said)
			got, err := os.ReadFile(filepath.Join(d.project, "Pulumi.dev.yaml"))
			require.NoError(t, err)
			require.Equal(t, tc.want, string(got))
			require.NoFileExists(t, filepath.Join(d.project, "Pulumi.dev.yaml.old"))
			require.FileExists(t, filepath.Join(d.project, "calls"), "destroy runs")
		})
	}
}

func TestDownWhereNothingWasInstalled(t *testing.T) {
	t.Parallel()
	d := newDown(t)
	require.NoError(t, os.RemoveAll(filepath.Join(d.project, ".canary", "bin")))
	require.Contains(t, d.down("STATE=remove"), "Everything is removed.")
	require.NoFileExists(t, filepath.Join(d.project, "calls"))
	require.NoDirExists(t, filepath.Join(d.project, ".canary"))
}
