package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the lab sets is there once, whichever form Pulumi has given a key; what the user has set stays.
func TestWriteStackFile(t *testing.T) {
	t.Parallel()
	const shipped = "config:\n  # Why.\n  istioChartRepository: http://127.0.0.1:1\n"
	for _, test := range []struct{ name, had, want string }{
		{"none yet", "", shipped},
		{"as shipped", shipped, "config:\n  istioChartRepository: http://127.0.0.1:1\n"},
		{
			"rewritten by Pulumi",
			"config:\n  shop:canaryWeight: \"50\"\n  shop:istioChartRepository: http://127.0.0.1:2\nencryptionsalt: x\n",
			"config:\n  shop:canaryWeight: \"50\"\n  shop:istioChartRepository: http://127.0.0.1:1\nencryptionsalt: x\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := &lab{project: t.TempDir(), progress: io.Discard}
			write := func(name, content string) {
				require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(l.project, name)), 0o755))
				require.NoError(t, os.WriteFile(filepath.Join(l.project, name), []byte(content), 0o600))
			}
			write("Pulumi.yaml", "name: shop\nruntime: go\n")
			write("lab/Pulumi.lab.yaml", shipped)
			if test.had != "" {
				write("Pulumi.lab.yaml", test.had)
			}
			require.NoError(t, l.writeStackFile())
			got, err := os.ReadFile(filepath.Join(l.project, "Pulumi.lab.yaml"))
			require.NoError(t, err)
			require.Equal(t, test.want, string(got))
		})
	}
}
